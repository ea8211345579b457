import { useEffect, type ReactNode } from 'react';
import { Controls } from '../components/Controls';
import { DemoPanel } from '../components/DemoPanel';
import { useMessages } from '../components/language';
import { RemoteVideo } from '../components/RemoteVideo';
import { SelfVideo } from '../components/SelfVideo';
import { SignIn } from '../components/SignIn';
import { useFigures } from '../components/useFigures';
import { useObservable } from '../components/useObservable';
import type { Publisher } from '../media/publisher';
import type { Reader } from '../media/reader';
import type { Call } from './call';
import { useDevices } from './useDevices';

interface Props {
  readonly call: Call;
  readonly publisher: Publisher;
  readonly reader: Reader;
}

/** The doctor's page: the patient large, oneself small, and one button. */
export function DoctorPage({ call, publisher, reader }: Props): ReactNode {
  const messages = useMessages();
  const running = useObservable(call.running);
  const devices = useDevices(call.camera);
  const figures = useFigures();
  const demo = figures !== undefined;
  const refused = [useObservable(publisher.session.state), useObservable(reader.session.state)].some(
    (state) => state.phase === 'refused' && state.trouble === 'unauthorized',
  );

  useEffect(() => {
    if (demo) {
      call.start();
    }
  }, [demo, call]);

  return (
    <div className="page" data-demo={demo}>
      <main>
        <RemoteVideo reader={reader} texts={messages.reading} label={messages.patient} />
        {refused && <SignIn onSubmit={call.signIn} />}
      </main>
      <div className="side">
        <SelfVideo
          camera={call.camera}
          session={publisher.session}
          texts={messages.publishing}
          cameraOn={devices.camera}
        />
        {demo && <DemoPanel figures={figures} />}
      </div>
      <Controls running={running} onStart={call.start} onStop={call.stop} devices={devices} />
    </div>
  );
}
