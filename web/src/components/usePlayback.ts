import { useEffect, type RefObject } from 'react';
import { useSound } from './useSound';

/**
 * Plays `stream` in `video`.
 *
 * @returns whether sound is held back at the moment
 */
export function usePlayback(video: RefObject<HTMLVideoElement | null>, stream: MediaStream | null): boolean {
  const { silenced, play } = useSound(video);

  useEffect(() => {
    const element = video.current;
    if (!element || element.srcObject === stream) {
      return;
    }
    element.srcObject = stream;
    if (stream) {
      play(element);
    }
  }, [video, stream, play]);

  return silenced;
}
