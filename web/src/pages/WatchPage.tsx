import type { ReactNode } from 'react';
import { Controls } from '../components/Controls';
import { useMessages } from '../components/language';
import { RemoteVideo } from '../components/RemoteVideo';
import { SignIn } from '../components/SignIn';
import { useObservable } from '../components/useObservable';
import type { Reader } from '../media/reader';
import type { Call } from './call';

interface Props {
  readonly call: Call;
  readonly reader: Reader;
  readonly path: string;
}

/** `/PATH/`: shows a path. */
export function WatchPage({ call, reader, path }: Props): ReactNode {
  const messages = useMessages();
  const running = useObservable(call.running);
  const state = useObservable(reader.session.state);
  return (
    <div className="page single">
      <main>
        <RemoteVideo reader={reader} texts={messages.watching} label={path} />
        {state.phase === 'refused' && <SignIn onSubmit={call.signIn} />}
      </main>
      <Controls running={running} onStart={call.start} onStop={call.stop} />
    </div>
  );
}
