import { useEffect, type RefObject } from 'react';
import type { Session } from '../media/session';

/** Keeps the last picture of `video` in `still` whenever the session stops being live. */
export function useStill(
  video: RefObject<HTMLVideoElement | null>,
  still: RefObject<HTMLCanvasElement | null>,
  session: Session,
): void {
  useEffect(() => {
    let wasLive = false;
    // Not a render: by then the picture is black.
    return session.state.subscribe(() => {
      const live = session.state.get().phase === 'live';
      const canvas = still.current;
      const element = video.current;
      if (wasLive && !live && canvas && element && element.videoWidth > 0) {
        canvas.width = element.videoWidth;
        canvas.height = element.videoHeight;
        canvas.getContext('2d')?.drawImage(element, 0, 0);
      }
      wasLive = live;
    });
  }, [video, still, session]);
}
