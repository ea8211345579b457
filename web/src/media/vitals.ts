import type { Link } from './link';

/** What is to be done about a link after a look at it. */
export type Verdict =
  /** Not up yet; wait on. */
  | 'starting'
  /** Media flows. */
  | 'live'
  /** It stopped flowing a moment ago: mend the way, once. */
  | 'mend'
  /** Being mended; wait on. */
  | 'mending'
  /** Never came up: give up. */
  | 'unreachable'
  /** Came up, stopped and could not be mended: give up. */
  | 'lost';

/** DTLS retransmits its first flight after one second and after three (RFC 6347 §4.2.4.1). */
const CONNECT_WITHIN_MS = 10_000;
/** Longer than any pause between two pictures of a slow phone. */
const STALL_AFTER_MS = 2500;
/** An ICE restart that helps does so in a few round trips; a publisher that reconnects may take a little longer. */
const MEND_WITHIN_MS = 6000;

/** Judges one link by its connection and by whether bytes still come. Time is an argument. */
export class Vitals {
  #flowedAt: number | null = null;
  #mendingSince: number | null = null;
  #bytes = 0;

  constructor(private readonly begunAt: number) {}

  /**
   * @param now milliseconds of the clock that `begunAt` was read from
   * @param bytes media bytes so far, null when they could not be read
   */
  look(now: number, health: Link['health'], bytes: number | null): Verdict {
    if (health === 'down') {
      return this.#flowedAt === null ? 'unreachable' : 'lost';
    }
    if (health === 'up' && bytes !== null && bytes > this.#bytes) {
      this.#bytes = bytes;
      this.#flowedAt = now;
      this.#mendingSince = null;
      return 'live';
    }
    if (this.#flowedAt === null) {
      return now - this.begunAt > CONNECT_WITHIN_MS ? 'unreachable' : 'starting';
    }
    return this.stalled(now, this.#flowedAt, health);
  }

  private stalled(now: number, flowedAt: number, health: Link['health']): Verdict {
    if (this.#mendingSince !== null) {
      return now - this.#mendingSince > MEND_WITHIN_MS ? 'lost' : 'mending';
    }
    if (health === 'up' && now - flowedAt <= STALL_AFTER_MS) {
      return 'live';
    }
    this.#mendingSince = now;
    return 'mend';
  }
}
