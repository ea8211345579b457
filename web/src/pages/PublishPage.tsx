import type { ReactNode } from 'react';
import { Controls } from '../components/Controls';
import { useMessages } from '../components/language';
import { SelfVideo } from '../components/SelfVideo';
import { SignIn } from '../components/SignIn';
import { useObservable } from '../components/useObservable';
import type { Publisher } from '../media/publisher';
import type { Call } from './call';
import { useDevices } from './useDevices';

interface Props {
  readonly call: Call;
  readonly publisher: Publisher;
}

/** `/PATH/publish`: sends this computer's camera to a path. */
export function PublishPage({ call, publisher }: Props): ReactNode {
  const messages = useMessages();
  const running = useObservable(call.running);
  const devices = useDevices(call.camera);
  const state = useObservable(publisher.session.state);
  return (
    <div className="page single">
      <main>
        <SelfVideo
          camera={call.camera}
          session={publisher.session}
          texts={messages.sending}
          cameraOn={devices.camera}
        />
        {state.phase === 'refused' && <SignIn onSubmit={call.signIn} />}
      </main>
      <Controls running={running} onStart={call.start} onStop={call.stop} devices={devices} />
    </div>
  );
}
