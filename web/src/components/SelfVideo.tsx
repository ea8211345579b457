import { useEffect, useRef, type ReactNode } from 'react';
import type { StateTexts } from '../i18n/messages';
import type { Camera } from '../media/camera';
import type { Session } from '../media/session';
import { CameraIcon } from './icons';
import { useMessages } from './language';
import { StateLine } from './StateLine';
import { useObservable } from './useObservable';

interface Props {
  readonly camera: Camera;
  readonly session: Session;
  readonly texts: StateTexts;
  readonly cameraOn: boolean;
}

/** Our own picture, as in a mirror, with what becomes of it in words. */
export function SelfVideo({ camera, session, texts, cameraOn }: Props): ReactNode {
  const messages = useMessages();
  const video = useRef<HTMLVideoElement>(null);
  const capture = useObservable(camera.state);
  const state = useObservable(session.state);
  const stream = capture.phase === 'on' ? capture.stream : null;

  useEffect(() => {
    if (video.current) {
      video.current.srcObject = stream;
    }
  }, [stream]);

  const instead =
    capture.phase === 'failed'
      ? messages.capture[capture.trouble]
      : capture.phase === 'asking'
        ? messages.asking
        : null;
  return (
    <section className="self" data-shown={stream !== null && cameraOn} aria-label={messages.you}>
      <div className="frame">
        <CameraIcon off />
        <video ref={video} id="self" autoPlay playsInline muted aria-label={messages.you} />
      </div>
      <StateLine state={state} texts={texts} name="publish" instead={instead} />
    </section>
  );
}
