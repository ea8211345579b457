import { useRef, type ReactNode } from 'react';
import type { StateTexts } from '../i18n/messages';
import type { Reader } from '../media/reader';
import { SpeakerIcon } from './icons';
import { useMessages } from './language';
import { StateLine } from './StateLine';
import { useObservable } from './useObservable';
import { usePlayback } from './usePlayback';
import { useStill } from './useStill';

interface Props {
  readonly reader: Reader;
  readonly texts: StateTexts;
  /** Who is seen. */
  readonly label: string;
}

/** The other side's picture and sound, with its state in words. */
export function RemoteVideo({ reader, texts, label }: Props): ReactNode {
  const messages = useMessages();
  const video = useRef<HTMLVideoElement>(null);
  const still = useRef<HTMLCanvasElement>(null);
  const state = useObservable(reader.session.state);
  const quality = useObservable(reader.session.quality);
  const silenced = usePlayback(video, useObservable(reader.stream));
  const shown = useObservable(reader.shown);
  useStill(video, still, reader.session);
  const live = state.phase === 'live';
  return (
    <section className="remote" data-live={live} data-shown={shown} aria-label={label}>
      <video ref={video} id="remote" autoPlay playsInline aria-label={label} />
      <canvas ref={still} className="still" aria-hidden="true" />
      <div className="caption">
        <StateLine state={state} texts={texts} name="read" />
        {live && quality && quality.width > 0 && (
          <p className="figures">
            {messages.quality(
              Math.round(quality.framesPerSecond),
              quality.width,
              quality.height,
              Math.round(quality.kilobitsPerSecond),
            )}
          </p>
        )}
      </div>
      {silenced && live && (
        <button type="button" className="unmute">
          <SpeakerIcon /> {messages.soundBlocked}
        </button>
      )}
    </section>
  );
}
