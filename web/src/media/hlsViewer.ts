import { Backoff } from './backoff';
import { authorization, type Credentials } from './credentials';
import type { HlsPlayer, PlayHls } from './hlsPlayer';
import { Observable } from './observable';
import { SCRIPT } from './script';
import type { SessionState, Trouble } from './session';

/** How often to ask for somebody who is not there yet. */
const ABSENT_AGAIN_MS = 1500;
const TICK_MS = 500;
/** A picture that has stood still for so long is lost. */
const STILL_MS = 8000;

const LIVE: SessionState = { phase: 'live' };

const troubleOf = (status: number): Trouble | 'unauthorized' | 'forbidden' => {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 404:
      return 'absent';
    case 503:
      return 'busy';
    default:
      return 'server';
  }
};

/**
 * Keeps one HLS stream playing without anybody's help: asks for the playlist, which begins a session that a cookie
 * carries from then on, lets a player play it, and begins anew when that cannot go on.
 */
export class HlsViewer {
  readonly state = new Observable<SessionState>({ phase: 'idle' });
  readonly running = new Observable(false);
  /** Whether a player has the element. */
  readonly playing = new Observable(false);
  /** Seconds behind live. */
  readonly latency = new Observable<number | null>(null);

  readonly #backoff: Backoff;
  #run: AbortController | null = null;
  #video: HTMLVideoElement | null = null;
  #wake: () => void = () => undefined;

  constructor(
    private readonly url: string,
    private credentials: Credentials | null,
    private readonly play: PlayHls,
    random: () => number = Math.random,
  ) {
    this.#backoff = new Backoff(500, 3000, random);
  }

  /** Where to show it; null before the element goes. */
  attach(video: HTMLVideoElement | null): void {
    this.#video = video;
    this.#wake();
  }

  readonly start = (): void => {
    if (this.#run) {
      return;
    }
    this.#run = new AbortController();
    this.#backoff.reset();
    this.running.set(true);
    void this.supervise(this.#run.signal);
  };

  readonly stop = (): void => {
    this.#run?.abort();
    this.#run = null;
    this.running.set(false);
    this.state.set({ phase: 'idle' });
    this.#wake();
  };

  /** Goes on as somebody else. */
  readonly signIn = (credentials: Credentials): void => {
    this.credentials = credentials;
    this.start();
  };

  /** Cuts a wait short: the network is back, the page is looked at again. */
  readonly hurry = (): void => {
    this.#backoff.reset();
    this.#wake();
  };

  private async supervise(signal: AbortSignal): Promise<void> {
    const over = (): boolean => signal.aborted;
    this.state.set({ phase: 'connecting' });
    while (!over()) {
      const trouble = await this.attempt(signal);
      if (over()) {
        return;
      }
      if (trouble === 'unauthorized' || trouble === 'forbidden') {
        this.#run = null;
        this.running.set(false);
        this.state.set({ phase: 'refused', trouble });
        return;
      }
      this.state.set({ phase: 'waiting', trouble });
      await this.sleep(trouble === 'absent' ? this.#backoff.steady(ABSENT_AGAIN_MS) : this.#backoff.next());
    }
  }

  /** One player from the first request to its end; gives the reason of the end. */
  private async attempt(signal: AbortSignal): Promise<Trouble> {
    const headers = new Headers(SCRIPT);
    if (this.credentials) {
      headers.set('authorization', authorization(this.credentials));
    }
    let status: number;
    try {
      status = (await fetch(this.url, { headers, signal })).status;
    } catch {
      return 'offline';
    }
    if (status !== 200) {
      return troubleOf(status);
    }
    while (!this.#video && !signal.aborted) {
      await this.sleep(TICK_MS);
    }
    return this.#video ? this.watch(this.#video, signal) : 'lost';
  }

  private async watch(video: HTMLVideoElement, signal: AbortSignal): Promise<Trouble> {
    const failed = new AbortController();
    let player: HlsPlayer;
    try {
      player = await this.play(this.url, video, () => {
        failed.abort();
        this.#wake();
      });
    } catch {
      return 'unacceptable';
    }
    this.playing.set(true);
    let [time, moved] = [video.currentTime, performance.now()];
    const goesOn = (): boolean =>
      !signal.aborted && !failed.signal.aborted && performance.now() - moved < STILL_MS;
    for (;;) {
      await this.sleep(TICK_MS);
      if (!goesOn()) {
        break;
      }
      if (video.currentTime !== time) {
        [time, moved] = [video.currentTime, performance.now()];
        this.#backoff.reset();
        this.state.set(LIVE);
        this.latency.set(player.latency());
      } else if (document.hidden) {
        // Nobody looks; the browser may have stopped it.
        moved = performance.now();
      }
    }
    this.playing.set(false);
    this.latency.set(null);
    player.close();
    return 'lost';
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
    });
  }
}
