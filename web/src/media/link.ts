import { Resource, SignalingError, type Endpoint } from './resource';
import { iceFragment, restartedAnswer } from './sdp';

/** What a {@link Link} needs to come about. */
export interface LinkSetup {
  readonly endpoint: Endpoint;
  /** Servers known from earlier answers of the same endpoint. */
  readonly iceServers: RTCIceServer[];
  /** Adds the transceivers before the offer is made. */
  readonly prepare: (pc: RTCPeerConnection) => void;
}

/** Candidates that come within this time of each other go in one PATCH. */
const TRICKLE_AFTER_MS = 50;

/** One peer connection together with its session on the server. */
export class Link {
  /** Servers that the answer named, for this link's ICE restarts and for the next link. */
  iceServers: RTCIceServer[] = [];
  /** Called whenever {@link Link.health} may have changed. */
  onchange: () => void = () => undefined;

  #resource: Resource | null = null;
  #answer = '';
  #candidates: string[] = [];
  #gathered = false;
  #trickling: ReturnType<typeof setTimeout> | null = null;
  #closed = false;

  private constructor(readonly pc: RTCPeerConnection) {}

  /**
   * Offers, asks, and applies the answer; the connection itself comes about afterwards.
   *
   * @throws SignalingError, or what the browser says of an answer that it cannot use
   */
  static async open(setup: LinkSetup, signal: AbortSignal): Promise<Link> {
    const pc = new RTCPeerConnection({ iceServers: setup.iceServers, bundlePolicy: 'max-bundle' });
    const link = new Link(pc);
    try {
      await link.negotiate(setup, signal);
      return link;
    } catch (error) {
      link.close(false);
      throw error;
    }
  }

  /** `up` while media can flow, `shaky` when ICE lost its way (it may find back), `down` when it is over. */
  get health(): 'starting' | 'up' | 'shaky' | 'down' {
    if (this.#closed || this.dtlsEnded()) {
      return 'down';
    }
    switch (this.pc.connectionState) {
      case 'connected':
        return 'up';
      case 'disconnected':
        return 'shaky';
      case 'failed':
      case 'closed':
        return 'down';
      case 'new':
      case 'connecting':
        return 'starting';
    }
  }

  /**
   * New ICE names on both sides, over whatever network there is at the moment (RFC 9725 §4.3.3). The session, its
   * DTLS and its media stay.
   *
   * @throws SignalingError when the server does not know the session any more: then only a new link helps
   */
  async restart(): Promise<void> {
    const resource = this.#resource;
    if (!resource) {
      throw new SignalingError('absent');
    }
    if (this.iceServers.length > 0) {
      this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers: this.iceServers });
    }
    this.#candidates = [];
    this.#gathered = false;
    const offer = await this.pc.createOffer({ iceRestart: true });
    await this.pc.setLocalDescription(offer);
    const fragment = await resource.restart(iceFragment(offer.sdp ?? '', [], false));
    this.#answer = restartedAnswer(this.#answer, fragment);
    await this.pc.setRemoteDescription({ type: 'answer', sdp: this.#answer });
    this.trickleSoon();
  }

  /** Ends both halves. `keepalive` when the page is being left. */
  close(keepalive: boolean): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    if (this.#trickling !== null) {
      clearTimeout(this.#trickling);
    }
    this.pc.close();
    void this.#resource?.delete(keepalive);
    this.onchange();
  }

  private async negotiate(setup: LinkSetup, signal: AbortSignal): Promise<void> {
    const { pc } = this;
    setup.prepare(pc);
    pc.onconnectionstatechange = () => {
      this.watchDtls();
      this.onchange();
    };
    pc.onicecandidate = ({ candidate }) => {
      this.collect(candidate);
    };
    const offer = await pc.createOffer();
    // The request leaves before the browser has gathered anything: an ICE-lite server learns our addresses from our
    // checks (RFC 8445 §2.5), so waiting for candidates would only delay the first picture.
    const [created] = await Promise.all([
      // Not cut short when the attempt is given up: the answer names what then has to be deleted.
      Resource.create(setup.endpoint, offer.sdp ?? ''),
      pc.setLocalDescription(offer),
    ]);
    this.#resource = created.resource;
    this.#answer = created.answer;
    this.iceServers = created.iceServers;
    signal.throwIfAborted();
    await pc.setRemoteDescription({ type: 'answer', sdp: created.answer });
    this.trickleSoon();
  }

  private collect(candidate: RTCIceCandidate | null): void {
    if (candidate?.candidate) {
      this.#candidates.push(candidate.candidate);
    } else {
      this.#gathered = true;
    }
    this.trickleSoon();
  }

  private trickleSoon(): void {
    if (this.#resource && this.#trickling === null && !this.#closed) {
      this.#trickling = setTimeout(() => {
        this.#trickling = null;
        void this.trickle();
      }, TRICKLE_AFTER_MS);
    }
  }

  private async trickle(): Promise<void> {
    const local = this.pc.localDescription?.sdp;
    if (!this.#resource || !local || (this.#candidates.length === 0 && !this.#gathered)) {
      return;
    }
    const fragment = iceFragment(local, this.#candidates, this.#gathered);
    this.#candidates = [];
    // Candidates are a help, not a need: a connection that comes about without them is as good.
    await this.#resource.trickle(fragment).catch(() => undefined);
  }

  private dtls(): RTCDtlsTransport | null {
    return (this.pc.getReceivers()[0] ?? this.pc.getSenders()[0])?.transport ?? null;
  }

  /** A server that says goodbye ends DTLS; Chromium leaves `connectionState` at `connected` for seconds after it. */
  private dtlsEnded(): boolean {
    const state = this.dtls()?.state;
    return state === 'closed' || state === 'failed';
  }

  private watchDtls(): void {
    const dtls = this.dtls();
    if (dtls) {
      dtls.onstatechange = () => {
        this.onchange();
      };
    }
  }
}
