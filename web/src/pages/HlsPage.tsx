import { useRef, type ReactNode } from 'react';
import { Controls } from '../components/Controls';
import { SpeakerIcon } from '../components/icons';
import { useMessages } from '../components/language';
import { SignIn } from '../components/SignIn';
import { StateLine } from '../components/StateLine';
import { useHls } from '../components/useHls';
import { useObservable } from '../components/useObservable';
import type { HlsViewer } from '../media/hlsViewer';

interface Props {
  readonly viewer: HlsViewer;
  readonly path: string;
}

/** `/PATH/` where HLS is served: shows a path by HLS, which passes every proxy and plays on every phone. */
export function HlsPage({ viewer, path }: Props): ReactNode {
  const messages = useMessages();
  const video = useRef<HTMLVideoElement>(null);
  const state = useObservable(viewer.state);
  const running = useObservable(viewer.running);
  const latency = useObservable(viewer.latency);
  const silenced = useHls(video, viewer);
  const live = state.phase === 'live';
  return (
    <>
      <header>
        <img src="/@page/icon.svg" alt="" width="28" height="28" />
        <h1>{messages.title}</h1>
      </header>
      <div className="page single">
        <main>
          <section className="remote" data-live={live} data-shown={live} aria-label={path}>
            <video ref={video} id="remote" playsInline aria-label={path} />
            <div className="caption">
              <StateLine state={state} texts={messages.watching} name="read" />
              {live && latency !== null && <p className="figures">{messages.behind(latency)}</p>}
            </div>
            {silenced && live && (
              <button type="button" className="unmute">
                <SpeakerIcon /> {messages.soundBlocked}
              </button>
            )}
          </section>
          {state.phase === 'refused' && <SignIn onSubmit={viewer.signIn} />}
        </main>
        <Controls running={running} onStart={viewer.start} onStop={viewer.stop} />
      </div>
    </>
  );
}
