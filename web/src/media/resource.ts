import { authorization, type Credentials } from './credentials';
import { iceServers } from './iceServers';

/** Why the server did not take a request, as far as a page can tell what to do about it. */
export type RefusalKind =
  /** No answer at all: cable, server or proxy. */
  | 'offline'
  /** 401: who are you? */
  | 'unauthorized'
  /** 403: known, and not allowed. */
  | 'forbidden'
  /** 404: nobody publishes this path, or the session is gone. */
  | 'absent'
  /** 409: somebody else publishes this path. */
  | 'busy'
  /** 4xx: the request, or the stream for this reader, is not acceptable. */
  | 'unacceptable'
  /** 5xx and what is not an answer to WHIP or WHEP. */
  | 'server';

/** A request that was not taken. Its message holds no address and no credentials. */
export class SignalingError extends Error {
  constructor(
    readonly kind: RefusalKind,
    readonly status: number | null = null,
    /** The server's own wish (RFC 9110 §10.2.3), in ms. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(status === null ? kind : `${kind} (${status})`);
    this.name = 'SignalingError';
  }
}

/** Where to ask and as whom. */
export interface Endpoint {
  /** Absolute or page-relative URL ending in `/whip` or `/whep`. */
  readonly url: string;
  /** Asked at each POST: a person may sign in while the page is open. */
  readonly credentials: () => Credentials | null;
}

/** What a POST gives. */
export interface Created {
  readonly resource: Resource;
  /** The server's SDP. */
  readonly answer: string;
  /** From the `Link:` headers; empty when the server is reached directly. */
  readonly iceServers: RTCIceServer[];
}

const TRICKLE = 'application/trickle-ice-sdpfrag';
/** A server that takes longer is as good as away: the next attempt starts afresh. */
const ANSWER_WITHIN_MS = 10_000;

function refusal(response: Response): SignalingError {
  const seconds = Number(response.headers.get('Retry-After') ?? NaN);
  const kinds: Partial<Record<number, RefusalKind>> = {
    401: 'unauthorized',
    403: 'forbidden',
    404: 'absent',
    409: 'busy',
    429: 'server',
  };
  const fallback = response.status >= 400 && response.status < 500 ? 'unacceptable' : 'server';
  return new SignalingError(
    kinds[response.status] ?? fallback,
    response.status,
    Number.isFinite(seconds) ? seconds * 1000 : null,
  );
}

async function request(url: string, init: RequestInit, credentials: Credentials | null): Promise<Response> {
  const headers = new Headers(init.headers);
  if (credentials) {
    headers.set('Authorization', authorization(credentials));
  }
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  try {
    return await fetch(url, { ...init, headers, signal, cache: 'no-store' });
  } catch {
    throw new SignalingError('offline');
  }
}

/**
 * One WHIP or WHEP session on the server (RFC 9725 §4.2 to §4.4; WHEP has the same verbs): made by POST, told of
 * candidates and ICE restarts by PATCH, ended by DELETE.
 */
export class Resource {
  private takesPatches = true;

  private constructor(
    private readonly url: string,
    private readonly credentials: Credentials | null,
    private etag: string | null,
  ) {}

  /**
   * Sends the offer.
   *
   * @throws SignalingError for everything but a 201 with a Location
   */
  static async create(endpoint: Endpoint, offer: string): Promise<Created> {
    const headers = { 'Content-Type': 'application/sdp', Accept: 'application/sdp' };
    const credentials = endpoint.credentials();
    const response = await request(endpoint.url, { method: 'POST', headers, body: offer }, credentials);
    if (!response.ok) {
      throw refusal(response);
    }
    const location = response.headers.get('Location');
    if (response.status !== 201 || location === null) {
      throw new SignalingError('server', response.status);
    }
    const answer = await response.text();
    // A redirect (RFC 9725 §4.7) moves the base of a relative Location.
    const base = new URL(response.url || endpoint.url, globalThis.location.href);
    const resource = new Resource(new URL(location, base).href, credentials, response.headers.get('ETag'));
    return { resource, answer, iceServers: iceServers(response.headers.get('Link')) };
  }

  /**
   * Tells the server of candidates. A server that takes none (405, 415, 501: RFC 9725 §4.3.1) is not asked again; one
   * that is asked about an older ICE session (412, 428) has moved on, and so have we.
   */
  async trickle(fragment: string): Promise<void> {
    if (!this.takesPatches) {
      return;
    }
    const response = await this.patch(fragment, this.etag);
    if ([405, 415, 422, 501].includes(response.status)) {
      this.takesPatches = false;
    } else if (!response.ok && response.status !== 412 && response.status !== 428) {
      throw refusal(response);
    }
  }

  /**
   * Asks for an ICE restart (`If-Match: "*"`, RFC 9725 §4.3.3) and gives the server's fragment.
   *
   * @throws SignalingError when the server knows nothing of this session or does not restart
   */
  async restart(fragment: string): Promise<string> {
    const response = await this.patch(fragment, '"*"');
    if (response.status !== 200) {
      throw response.ok ? new SignalingError('server', response.status) : refusal(response);
    }
    this.etag = response.headers.get('ETag') ?? this.etag;
    return response.text();
  }

  /** Ends the session. `keepalive` lets the request outlive a page that is being left. Never throws. */
  async delete(keepalive: boolean): Promise<void> {
    await request(this.url, { method: 'DELETE', keepalive }, this.credentials).catch(() => undefined);
  }

  private patch(fragment: string, match: string | null): Promise<Response> {
    const headers = new Headers({ 'Content-Type': TRICKLE });
    if (match !== null) {
      headers.set('If-Match', match);
    }
    return request(this.url, { method: 'PATCH', headers, body: fragment }, this.credentials);
  }
}
