import { Observable } from './observable';
import type { Endpoint } from './resource';
import { Session } from './session';
import { openWhep } from './whep';

/** Somebody else's stream, kept running. */
export class Reader {
  /** The newest stream: another one after every new link. The last picture of the old one stays until it delivers. */
  readonly stream = new Observable<MediaStream | null>(null);
  /** Whether a picture was there since the start, so that there is one to keep. */
  readonly shown = new Observable(false);
  readonly session: Session;

  constructor(endpoint: Endpoint) {
    this.session = new Session((iceServers, signal) =>
      openWhep(
        endpoint,
        iceServers,
        (stream) => {
          this.adopt(stream);
        },
        signal,
      ),
    );
    this.session.state.subscribe(() => {
      const { phase } = this.session.state.get();
      this.shown.set(phase === 'live' || (this.shown.get() && phase !== 'idle'));
    });
  }

  start(): void {
    this.session.start();
  }

  stop(leaving = false): void {
    this.session.stop(leaving);
    this.stream.set(null);
  }

  private adopt(stream: MediaStream): void {
    if (this.stream.get() === null) {
      this.stream.set(stream);
      return;
    }
    const [video] = stream.getVideoTracks();
    // A received track is muted until its first packet (W3C webrtc §5.3).
    video?.addEventListener(
      'unmute',
      () => {
        if (this.stream.get() !== null) {
          this.stream.set(stream);
        }
      },
      { once: true },
    );
  }
}
