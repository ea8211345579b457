import { useEffect, type RefObject } from 'react';
import type { HlsViewer } from '../media/hlsViewer';
import { useObservable } from './useObservable';
import { useSound } from './useSound';

/**
 * Shows what `viewer` plays in `video`.
 *
 * @returns whether sound is held back at the moment
 */
export function useHls(video: RefObject<HTMLVideoElement | null>, viewer: HlsViewer): boolean {
  const { silenced, play } = useSound(video);
  const playing = useObservable(viewer.playing);

  useEffect(() => {
    if (!video.current) {
      return;
    }
    viewer.attach(video.current);
    return () => {
      viewer.attach(null);
    };
  }, [video, viewer]);

  useEffect(() => {
    if (playing && video.current?.paused) {
      play(video.current);
    }
  }, [video, playing, play]);

  return silenced;
}
