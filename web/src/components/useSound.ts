import { useCallback, useEffect, useState, type RefObject } from 'react';

/** Whether sound is held back at the moment, and how to begin to play. */
export interface Sound {
  readonly silenced: boolean;
  readonly play: (element: HTMLVideoElement) => void;
}

/**
 * Plays a video. Where the browser allows no sound before somebody touched the page, it plays without sound, and the
 * first click or key anywhere brings the sound.
 */
export function useSound(video: RefObject<HTMLVideoElement | null>): Sound {
  const [silenced, setSilenced] = useState(false);

  const play = useCallback(
    (element: HTMLVideoElement) => {
      // What takes another's place does not bring the sound that nobody has touched the page for.
      element.muted = silenced;
      element.play().catch((error: unknown) => {
        // Anything else is something newer taking this one's place.
        if (error instanceof DOMException && error.name === 'NotAllowedError') {
          element.muted = true;
          setSilenced(true);
          element.play().catch(() => undefined);
        }
      });
    },
    [silenced],
  );

  const unmute = useCallback(() => {
    if (video.current) {
      video.current.muted = false;
      setSilenced(false);
      video.current.play().catch(() => undefined);
    }
  }, [video]);

  useEffect(() => {
    if (!silenced) {
      return;
    }
    const stop = new AbortController();
    // Only these two count as a touch of the page (HTML §6.4.1, activation triggering input events).
    window.addEventListener('pointerup', unmute, { signal: stop.signal });
    window.addEventListener('keydown', unmute, { signal: stop.signal });
    return () => {
      stop.abort();
    };
  }, [silenced, unmute]);

  return { silenced, play };
}
