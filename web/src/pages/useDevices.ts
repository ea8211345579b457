import { useCallback, useEffect, useState } from 'react';
import type { Camera } from '../media/camera';

interface Devices {
  readonly mic: boolean;
  readonly camera: boolean;
  readonly toggleMic: () => void;
  readonly toggleCamera: () => void;
}

/** The two switches of a page that sends. */
export function useDevices(camera: Camera): Devices {
  const [mic, setMic] = useState(true);
  const [picture, setPicture] = useState(true);
  useEffect(() => {
    camera.enable('audio', mic);
    camera.enable('video', picture);
  }, [camera, mic, picture]);
  const toggleMic = useCallback(() => {
    setMic((on) => !on);
  }, []);
  const toggleCamera = useCallback(() => {
    setPicture((on) => !on);
  }, []);
  return { mic, camera: picture, toggleMic, toggleCamera };
}
