import { Observable } from './observable';

/** Why there is no picture or sound of our own. */
export type CaptureTrouble =
  /** The person, or the system's privacy settings, said no. */
  | 'denied'
  /** There is no camera, or no microphone. */
  | 'missing'
  /** Another program holds the device. */
  | 'inUse'
  /** Browsers give cameras to pages from https:// and from localhost only. */
  | 'insecure'
  | 'unknown';

export type CaptureState =
  | { readonly phase: 'off' }
  | { readonly phase: 'asking' }
  | { readonly phase: 'on'; readonly stream: MediaStream }
  | { readonly phase: 'failed'; readonly trouble: CaptureTrouble };

/** The picture size to ask for. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** Reads the name of what getUserMedia threw (W3C mediacapture-main §10.2.2, and Chromium's and Firefox's ways). */
export function captureTrouble(error: unknown): CaptureTrouble {
  const name = error instanceof Error || error instanceof DOMException ? error.name : '';
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    case 'NotReadableError':
    case 'AbortError':
      return 'inUse';
    default:
      return 'unknown';
  }
}

/** What to ask the browser for: sound of one voice, and a face that moves. */
export function constraints(size: PictureSize): MediaStreamConstraints {
  return {
    audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    video: {
      width: { ideal: size.width },
      height: { ideal: size.height },
      frameRate: { ideal: 30, max: 30 },
      facingMode: 'user',
    },
  };
}

/** The camera and microphone of this computer, for as long as they are wanted. */
export class Camera {
  readonly state = new Observable<CaptureState>({ phase: 'off' });
  #wanted = false;
  #asking = false;
  /** Outlives a stream: whoever is muted stays muted when a device comes back. */
  readonly #enabled = { audio: true, video: true };

  constructor(private readonly size: PictureSize) {}

  /** Asks for both devices; gives the stream, or null with the reason in `state`. */
  async start(): Promise<MediaStream | null> {
    this.#wanted = true;
    const current = this.state.get();
    if (current.phase === 'on') {
      return current.stream;
    }
    return this.ask();
  }

  /** Gives both devices back: their lights go out. */
  stop(): void {
    this.#wanted = false;
    const current = this.state.get();
    if (current.phase === 'on') {
      release(current.stream);
    }
    this.state.set({ phase: 'off' });
  }

  /** Tries again after a failure, if still wanted: a device was plugged in. */
  async devicesChanged(): Promise<void> {
    if (this.#wanted && this.state.get().phase === 'failed') {
      await this.ask();
    }
  }

  /** Switches the tracks of one kind on or off without touching the session: silence, or a black picture. */
  enable(kind: 'audio' | 'video', enabled: boolean): void {
    this.#enabled[kind] = enabled;
    const current = this.state.get();
    if (current.phase === 'on') {
      this.applyEnabled(current.stream);
    }
  }

  private applyEnabled(stream: MediaStream): void {
    for (const track of stream.getTracks()) {
      track.enabled = track.kind === 'audio' ? this.#enabled.audio : this.#enabled.video;
    }
  }

  private async ask(): Promise<MediaStream | null> {
    if (this.#asking) {
      return null;
    }
    if (!('mediaDevices' in navigator)) {
      this.state.set({ phase: 'failed', trouble: 'insecure' });
      return null;
    }
    this.#asking = true;
    this.state.set({ phase: 'asking' });
    try {
      return this.adopt(await navigator.mediaDevices.getUserMedia(constraints(this.size)));
    } catch (error) {
      this.state.set(this.#wanted ? { phase: 'failed', trouble: captureTrouble(error) } : { phase: 'off' });
      return null;
    } finally {
      this.#asking = false;
    }
  }

  private adopt(stream: MediaStream): MediaStream | null {
    if (!this.#wanted) {
      release(stream);
      this.state.set({ phase: 'off' });
      return null;
    }
    this.applyEnabled(stream);
    for (const track of stream.getTracks()) {
      track.contentHint = track.kind === 'video' ? 'motion' : 'speech';
      // A device that is pulled out ends its track (mediacapture-main §4.3.3); ask for whatever is there then.
      track.onended = () => {
        if (this.#wanted) {
          release(stream);
          void this.ask();
        }
      };
    }
    this.state.set({ phase: 'on', stream });
    return stream;
  }
}

function release(stream: MediaStream): void {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}
