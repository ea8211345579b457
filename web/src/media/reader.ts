import { Observable } from './observable';
import type { Endpoint } from './resource';
import { Session } from './session';
import { openWhep } from './whep';

/** Somebody else's stream, kept running. */
export class Reader {
  /** The newest stream: another one after every new link. The last picture of the old one stays until it delivers. */
  readonly stream = new Observable<MediaStream | null>(null);
  readonly session: Session;

  constructor(endpoint: Endpoint) {
    this.session = new Session((iceServers, signal) =>
      openWhep(
        endpoint,
        iceServers,
        (stream) => {
          this.stream.set(stream);
        },
        signal,
      ),
    );
  }

  start(): void {
    this.session.start();
  }

  stop(leaving = false): void {
    this.session.stop(leaving);
    this.stream.set(null);
  }
}
