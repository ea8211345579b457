import { useCallback, useEffect, useState, type RefObject } from 'react';

/**
 * Plays `stream` in `video`. Where the browser allows no sound before somebody touched the page, it plays without
 * sound, and the first click or key anywhere brings the sound.
 *
 * @returns whether sound is held back at the moment
 */
export function usePlayback(video: RefObject<HTMLVideoElement | null>, stream: MediaStream | null): boolean {
  const [silenced, setSilenced] = useState(false);

  useEffect(() => {
    const element = video.current;
    if (!element || element.srcObject === stream) {
      return;
    }
    element.srcObject = stream;
    if (stream) {
      // A stream that takes another's place does not bring the sound that nobody has touched the page for.
      element.muted = silenced;
      element.play().catch((error: unknown) => {
        // Anything else is a newer stream taking this one's place.
        if (error instanceof DOMException && error.name === 'NotAllowedError') {
          element.muted = true;
          setSilenced(true);
          element.play().catch(() => undefined);
        }
      });
    }
  }, [video, stream, silenced]);

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

  return silenced;
}
