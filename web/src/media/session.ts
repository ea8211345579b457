import { Backoff } from './backoff';
import type { Link } from './link';
import { Observable } from './observable';
import { SignalingError, type RefusalKind } from './resource';
import { quality, sample, type Quality, type Report, type Sample } from './stats';
import { Vitals } from './vitals';

/** Why media does not flow at the moment. */
export type Trouble =
  | RefusalKind
  /** The server answers, but no way for media was found: usually a firewall. */
  | 'unreachable'
  /** It ran, and then nothing came any more. */
  | 'lost';

/** Where a session stands. Every state but `idle` and `refused` changes by itself. */
export type SessionState =
  | { readonly phase: 'idle' }
  | { readonly phase: 'connecting' }
  | { readonly phase: 'live' }
  /** Up a moment ago; the way is being mended under the same session. */
  | { readonly phase: 'interrupted' }
  /** Down; tried again by itself. */
  | { readonly phase: 'waiting'; readonly trouble: Trouble }
  /** Asking again would give the same answer. */
  | { readonly phase: 'refused'; readonly trouble: 'unauthorized' | 'forbidden' };

/** How a session makes its links; `openWhip` and `openWhep` with their first arguments bound. */
export type Dial = (iceServers: RTCIceServer[], signal: AbortSignal) => Promise<Link>;

const TICK_MS = 1000;
/** How often to ask for somebody who is not there yet. */
const ABSENT_AGAIN_MS = 1500;
/** A stream that cannot be read as it is may be published differently later. */
const UNACCEPTABLE_AGAIN_MS = 15_000;

/** Asked anew after each await: the type system takes a flag that it saw for constant. */
const over = (signal: AbortSignal): boolean => signal.aborted;

const troubleOf = (error: unknown): SignalingError =>
  // What the browser throws over an answer that it cannot use is the server's fault too.
  error instanceof SignalingError ? error : new SignalingError('server');

const measure = (link: Link): Promise<Sample | null> =>
  link.pc.getStats().then(
    (report) => sample(report as unknown as Report),
    () => null,
  );

/** One object, so that a state that stays wakes nobody. */
const LIVE: SessionState = { phase: 'live' };

/**
 * Keeps one WHIP or WHEP session alive without anybody's help: dials, watches, mends, dials again. It recovers from a
 * server that restarts, a cable that is pulled, a network that changes and a publisher that comes back.
 */
export class Session {
  readonly state = new Observable<SessionState>({ phase: 'idle' });
  /** What ran over the link in the last second; null while there is none. */
  readonly quality = new Observable<Quality | null>(null);

  readonly #backoff: Backoff;
  #run: AbortController | null = null;
  #link: Link | null = null;
  #iceServers: RTCIceServer[] = [];
  #wake: () => void = () => undefined;

  constructor(
    private readonly dial: Dial,
    random: () => number = Math.random,
  ) {
    this.#backoff = new Backoff(500, 3000, random);
  }

  /** The link in use, to put other tracks on it. */
  get link(): Link | null {
    return this.#link;
  }

  /** Begins, or begins anew after a refusal. */
  start(): void {
    if (this.#run) {
      return;
    }
    this.#run = new AbortController();
    this.#backoff.reset();
    void this.supervise(this.#run.signal);
  }

  /** Ends. `leaving` when the page goes away: the request then outlives it. */
  stop(leaving = false): void {
    this.#run?.abort();
    this.#run = null;
    this.#link?.close(leaving);
    this.#link = null;
    this.quality.set(null);
    this.state.set({ phase: 'idle' });
  }

  /** Cuts a wait short: the network is back, the page is looked at again. */
  hurry(): void {
    this.#backoff.reset();
    this.#wake();
  }

  private async supervise(signal: AbortSignal): Promise<void> {
    while (!over(signal)) {
      const ended = await this.attempt(signal);
      if (over(signal)) {
        return;
      }
      if (ended.kind === 'unauthorized' || ended.kind === 'forbidden') {
        this.#run = null;
        this.state.set({ phase: 'refused', trouble: ended.kind });
        return;
      }
      await this.sleep(this.delay(ended), signal);
    }
  }

  /** One link from dialling to its end; gives the reason of the end. */
  private async attempt(signal: AbortSignal): Promise<SignalingError> {
    if (this.state.get().phase === 'idle' || this.state.get().phase === 'refused') {
      this.state.set({ phase: 'connecting' });
    }
    let link: Link;
    try {
      link = await this.dial(this.#iceServers, signal);
    } catch (error) {
      const why = troubleOf(error);
      if (!over(signal)) {
        this.state.set({ phase: 'waiting', trouble: why.kind });
      }
      return why;
    }
    if (over(signal)) {
      link.close(false);
      return new SignalingError('offline');
    }
    this.#link = link;
    this.#iceServers = link.iceServers.length > 0 ? link.iceServers : this.#iceServers;
    const trouble = await this.watch(link, signal);
    if (!over(signal)) {
      this.#link = null;
      this.quality.set(null);
      // Told before the link goes: its tracks' end paints black over the last picture.
      this.state.set({ phase: 'waiting', trouble });
    }
    link.close(false);
    return new SignalingError('server');
  }

  /** Follows a link until it is over. */
  private async watch(link: Link, signal: AbortSignal): Promise<'unreachable' | 'lost'> {
    const vitals = new Vitals(performance.now());
    let before: Sample | null = null;
    for (;;) {
      const after = await measure(link);
      const verdict = vitals.look(performance.now(), link.health, after?.bytes ?? null);
      if (over(signal)) {
        return 'lost';
      }
      if (verdict === 'unreachable' || verdict === 'lost') {
        return verdict;
      }
      if (verdict === 'live') {
        this.live(quality(before, after));
      } else if (verdict === 'mend' && !(await this.mend(link))) {
        return 'lost';
      }
      before = after ?? before;
      await this.tick(link, signal);
    }
  }

  private live(flow: Quality | null): void {
    this.#backoff.reset();
    this.state.set(LIVE);
    this.quality.set(flow);
  }

  /** Gives whether the server still knows this session: one that restarted does not, and says so at once. */
  private mend(link: Link): Promise<boolean> {
    this.state.set({ phase: 'interrupted' });
    return link.restart().then(
      () => true,
      () => false,
    );
  }

  /** Until the next look: a second, or as soon as something changes. */
  private tick(link: Link, signal: AbortSignal): Promise<void> {
    link.onchange = () => {
      this.#wake();
    };
    return this.sleep(TICK_MS, signal);
  }

  private delay(ended: SignalingError): number {
    if (ended.retryAfterMs !== null) {
      return Math.min(ended.retryAfterMs, 30_000);
    }
    switch (ended.kind) {
      case 'absent':
      case 'busy':
        return this.#backoff.steady(ABSENT_AGAIN_MS);
      case 'unacceptable':
        return this.#backoff.steady(UNACCEPTABLE_AGAIN_MS);
      case 'offline':
      case 'server':
      case 'unauthorized':
      case 'forbidden':
        return this.#backoff.next();
    }
  }

  private sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      this.#wake = done;
    });
  }
}
