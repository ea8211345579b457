import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Link } from './link';
import {
  ANSWER,
  FakePeerConnection,
  OFFER,
  created,
  fakeBrowser,
  fakeServer,
  pass,
  type Seen,
} from './testing';

const RESTARTED = 'a=ice-ufrag:fresh\r\na=ice-pwd:fresh-password\r\n';

beforeEach(() => {
  vi.useFakeTimers();
  fakeBrowser();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const setup = {
  endpoint: { url: '/p/whep', credentials: () => null },
  iceServers: [],
  prepare: vi.fn(),
};

async function opened(post: () => Response = created): Promise<[Link, FakePeerConnection, Seen[]]> {
  const seen = fakeServer(({ method }) =>
    method === 'POST' ? post() : method === 'PATCH' ? new Response(RESTARTED) : new Response(null),
  );
  const link = await Link.open(setup, new AbortController().signal);
  const pc = FakePeerConnection.made[0];
  if (!pc) {
    throw new Error('no connection was made');
  }
  return [link, pc, seen];
}

describe('Link', () => {
  it('offers without waiting for candidates and applies the answer as it is', async () => {
    const [, pc, seen] = await opened();
    expect(seen[0]).toMatchObject({ method: 'POST', body: OFFER });
    expect(pc.remote).toEqual([{ type: 'answer', sdp: ANSWER }]);
    expect(setup.prepare).toHaveBeenCalledWith(pc);
  });

  it('sends candidates of one moment in one PATCH, and the end of them', async () => {
    const [, pc, seen] = await opened();
    pc.candidate('candidate:1 a');
    pc.candidate('candidate:2 b');
    pc.candidate(null);
    await pass(60);
    const patches = seen.filter(({ method }) => method === 'PATCH');
    expect(patches).toHaveLength(1);
    expect(patches[0]?.body).toMatch(/a=candidate:1 a\r\na=candidate:2 b\r\na=end-of-candidates\r\n$/);
  });

  it('restarts ICE under the same session', async () => {
    const [link, pc, seen] = await opened(() => created({ Link: '<stun:s>; rel="ice-server"' }));
    await link.restart();
    expect(seen.at(-1)?.body).toContain('a=ice-ufrag:again');
    expect(pc.remote.at(-1)?.sdp).toContain('a=ice-ufrag:fresh');
    expect(pc.configuration.iceServers).toEqual([{ urls: 'stun:s' }]);
  });

  it.each([
    ['new', 'starting'],
    ['connecting', 'starting'],
    ['connected', 'up'],
    ['disconnected', 'shaky'],
    ['failed', 'down'],
    ['closed', 'down'],
  ] as const)('is, when the connection is %s, %s', async (state, health) => {
    const [link, pc] = await opened();
    const changed = vi.fn();
    link.onchange = changed;
    pc.become(state);
    expect(link.health).toBe(health);
    expect(changed).toHaveBeenCalled();
  });

  it('is down as soon as the server ends DTLS', async () => {
    const [link, pc] = await opened();
    pc.become('connected');
    const changed = vi.fn();
    link.onchange = changed;
    pc.transport.state = 'closed';
    pc.transport.onstatechange?.();
    expect(link.health).toBe('down');
    expect(changed).toHaveBeenCalled();
  });

  it('deletes its session once', async () => {
    const [link, pc, seen] = await opened();
    link.close(true);
    link.close(false);
    expect(pc.close).toHaveBeenCalledTimes(1);
    expect(seen.filter(({ method }) => method === 'DELETE')).toMatchObject([{ keepalive: true }]);
  });

  it('deletes what came about after it was given up', async () => {
    const seen = fakeServer(({ method }) => (method === 'POST' ? created() : new Response(null)));
    const abort = new AbortController();
    const opening = Link.open(setup, abort.signal);
    abort.abort();
    await expect(opening).rejects.toThrow();
    expect(seen.map(({ method }) => method)).toEqual(['POST', 'DELETE']);
  });

  it('leaves no connection behind a refusal', async () => {
    fakeServer(() => new Response(null, { status: 403 }));
    await expect(Link.open(setup, new AbortController().signal)).rejects.toMatchObject({ kind: 'forbidden' });
    expect(FakePeerConnection.made[0]?.close).toHaveBeenCalled();
  });
});
