import type { Camera } from './camera';
import type { Endpoint } from './resource';
import { Session } from './session';
import { openWhip, replaceTracks } from './whip';

/** Our own camera on its way to the server: capture first, then a session that lasts. */
export class Publisher {
  readonly session: Session;
  #stopWatching: (() => void) | null = null;

  constructor(
    private readonly camera: Camera,
    endpoint: Endpoint,
  ) {
    this.session = new Session(async (iceServers, signal) => {
      const stream = await camera.start();
      if (!stream) {
        // Nothing to send: the camera says why, and its return starts the session anew.
        signal.throwIfAborted();
        throw new Error('no camera');
      }
      return openWhip(endpoint, iceServers, stream, signal);
    });
  }

  /** Asks for the devices and publishes as soon as they are there. */
  async start(): Promise<void> {
    this.#stopWatching ??= this.camera.state.subscribe(() => {
      this.captureChanged();
    });
    if (await this.camera.start()) {
      this.session.start();
    }
  }

  /** Ends the session and gives the devices back. */
  stop(leaving = false): void {
    this.#stopWatching?.();
    this.#stopWatching = null;
    this.session.stop(leaving);
    this.camera.stop();
  }

  private captureChanged(): void {
    const state = this.camera.state.get();
    if (state.phase === 'on') {
      const { link } = this.session;
      if (link) {
        void replaceTracks(link, state.stream);
      } else {
        this.session.start();
      }
    } else if (state.phase === 'failed') {
      // A stream of nothing would keep the patient waiting before a frozen picture.
      this.session.stop();
    }
  }
}
