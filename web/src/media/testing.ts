/** Stand-ins for the browser's half, for the unit tests beside the code. The real browser is in tests/e2e. */
import { vi } from 'vitest';

/** An offer as a browser makes it, cut down to what is read of it. */
export const OFFER = [
  'v=0',
  'o=- 1 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0 1',
  'm=video 9 UDP/TLS/RTP/SAVPF 96',
  'a=ice-ufrag:ours',
  'a=ice-pwd:our-password-of-24-letters',
  'a=mid:0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=ice-ufrag:ours',
  'a=ice-pwd:our-password-of-24-letters',
  'a=mid:1',
  '',
].join('\r\n');

export const ANSWER = [
  'v=0',
  'o=- 3 4 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=ice-lite',
  'm=video 9 UDP/TLS/RTP/SAVPF 96',
  'a=ice-ufrag:theirs',
  'a=ice-pwd:their-password-of-24-char',
  'a=mid:0',
  'a=candidate:1 1 udp 2130706431 127.0.0.1 8189 typ host',
  'a=end-of-candidates',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=ice-ufrag:theirs',
  'a=ice-pwd:their-password-of-24-char',
  'a=mid:1',
  '',
].join('\r\n');

/** An RTCPeerConnection that does what a test says. */
export class FakePeerConnection {
  static made: FakePeerConnection[] = [];

  connectionState: RTCPeerConnectionState = 'new';
  onconnectionstatechange: (() => void) | null = null;
  onicecandidate: ((event: { candidate: { candidate: string } | null }) => void) | null = null;
  localDescription: RTCSessionDescriptionInit | null = null;
  remote: RTCSessionDescriptionInit[] = [];
  configuration: RTCConfiguration;
  readonly transport: { state: RTCDtlsTransportState; onstatechange: (() => void) | null } = {
    state: 'new',
    onstatechange: null,
  };
  bytes = 0;

  constructor(configuration: RTCConfiguration) {
    this.configuration = configuration;
    FakePeerConnection.made.push(this);
  }

  createOffer = vi.fn((options?: RTCOfferOptions) =>
    Promise.resolve({ type: 'offer', sdp: options?.iceRestart ? OFFER.replaceAll('ours', 'again') : OFFER }),
  );
  setLocalDescription = vi.fn((description: RTCSessionDescriptionInit) => {
    this.localDescription = description;
    return Promise.resolve();
  });
  setRemoteDescription = vi.fn((description: RTCSessionDescriptionInit) => {
    this.remote.push(description);
    return Promise.resolve();
  });
  close = vi.fn(() => {
    this.connectionState = 'closed';
  });
  getConfiguration = (): RTCConfiguration => this.configuration;
  setConfiguration = (configuration: RTCConfiguration): void => {
    this.configuration = configuration;
  };
  getReceivers = (): { transport: unknown }[] => [{ transport: this.transport }];
  getSenders = (): { transport: unknown }[] => [];
  getStats = (): Promise<Map<string, unknown>> =>
    Promise.resolve(
      new Map([
        [
          'v',
          { type: 'inbound-rtp', kind: 'video', timestamp: performance.now(), bytesReceived: this.bytes },
        ],
      ]),
    );

  /** Goes to a state as the browser would. */
  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  candidate(candidate: string | null): void {
    this.onicecandidate?.({ candidate: candidate === null ? null : { candidate } });
  }
}

/** One request that a test saw. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: string;
  readonly keepalive: boolean;
}

/** Replaces `fetch` by `answer` and keeps what was asked. */
export function fakeServer(answer: (seen: Seen) => Response | Promise<Response>): Seen[] {
  const all: Seen[] = [];
  vi.stubGlobal('fetch', async (url: string, init: RequestInit = {}) => {
    const seen: Seen = {
      method: init.method ?? 'GET',
      url,
      headers: new Headers(init.headers),
      body: typeof init.body === 'string' ? init.body : '',
      keepalive: init.keepalive ?? false,
    };
    all.push(seen);
    return answer(seen);
  });
  return all;
}

/** The answer to a POST that succeeds. */
export function created(headers: Record<string, string> = {}): Response {
  return new Response(ANSWER, {
    status: 201,
    headers: { Location: '/p/whip/secret', ETag: '"one"', ...headers },
  });
}

/** What every test of this folder needs of a browser. */
export function fakeBrowser(): void {
  FakePeerConnection.made = [];
  vi.stubGlobal('RTCPeerConnection', FakePeerConnection);
  vi.stubGlobal('location', { href: 'http://clinic.test/' });
}

/** Lets promises and timers run for `ms` of fake time. */
export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}
