import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Link } from './link';
import { Session } from './session';
import { FakePeerConnection, created, fakeBrowser, fakeServer, pass, type Seen } from './testing';

const RESTARTED = 'a=ice-ufrag:fresh\r\na=ice-pwd:fresh-password\r\n';

/** A server that can be switched off, that can forget its sessions, and that can refuse. */
class FakeServer {
  up = true;
  knows = true;
  refuses: number | null = null;
  headers: Record<string, string> = {};
  readonly seen: Seen[] = fakeServer(({ method }) => {
    if (!this.up) {
      throw new TypeError('refused');
    }
    if (method === 'POST') {
      return this.refuses === null ? created(this.headers) : new Response(null, { status: this.refuses });
    }
    if (method === 'PATCH') {
      return this.knows ? new Response(RESTARTED) : new Response(null, { status: 404 });
    }
    return new Response(null);
  });

  count(method: string): number {
    return this.seen.filter((seen) => seen.method === method).length;
  }
}

let server: FakeServer;
let session: Session;

beforeEach(() => {
  vi.useFakeTimers();
  fakeBrowser();
  server = new FakeServer();
  session = new Session(
    (iceServers, signal) =>
      Link.open(
        { endpoint: { url: '/p/whep', credentials: () => null }, iceServers, prepare: () => undefined },
        signal,
      ),
    () => 0,
  );
});

afterEach(() => {
  session.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function newest(): FakePeerConnection {
  const pc = FakePeerConnection.made.at(-1);
  if (!pc) {
    throw new Error('nothing was dialled');
  }
  return pc;
}

/** Lets the newest connection come up and carry media for `ms`. */
async function flow(ms: number): Promise<void> {
  const pc = newest();
  pc.become('connected');
  for (let passed = 0; passed < ms; passed += 500) {
    pc.bytes += 10_000;
    await pass(500);
  }
}

async function live(): Promise<void> {
  session.start();
  await pass(0);
  await flow(2000);
  expect(session.state.get()).toEqual({ phase: 'live' });
}

describe('Session', () => {
  it('goes live with the first media, and says how it runs', async () => {
    session.start();
    expect(session.state.get()).toEqual({ phase: 'connecting' });
    await pass(0);
    newest().become('connected');
    await pass(1000);
    expect(session.state.get()).toEqual({ phase: 'connecting' });
    await flow(3000);
    expect(session.state.get()).toEqual({ phase: 'live' });
    expect(session.quality.get()?.kilobitsPerSecond).toBeGreaterThan(0);
  });

  it('asks again and again for somebody who is not there, and is live when they come', async () => {
    server.refuses = 404;
    session.start();
    await pass(2900);
    expect(session.state.get()).toEqual({ phase: 'waiting', trouble: 'absent' });
    expect(server.count('POST')).toBe(4);
    server.refuses = null;
    await pass(1000);
    await flow(1000);
    expect(session.state.get()).toEqual({ phase: 'live' });
  });

  it.each([
    [401, 'unauthorized'],
    [403, 'forbidden'],
  ] as const)('asks no second time after %d, until it is started again', async (status, trouble) => {
    server.refuses = status;
    session.start();
    await pass(60_000);
    expect(session.state.get()).toEqual({ phase: 'refused', trouble });
    expect(server.count('POST')).toBe(1);
    server.refuses = null;
    session.start();
    await pass(0);
    await flow(1000);
    expect(session.state.get()).toEqual({ phase: 'live' });
  });

  it('outlives a restart of the server', async () => {
    await live();
    server.up = false;
    newest().become('disconnected');
    await pass(5000);
    expect(session.state.get()).toEqual({ phase: 'waiting', trouble: 'offline' });
    server.up = true;
    await pass(4000);
    await flow(1000);
    expect(session.state.get()).toEqual({ phase: 'live' });
  });

  it('mends a way that is lost under the same session', async () => {
    await live();
    newest().become('disconnected');
    await pass(10);
    expect(session.state.get()).toEqual({ phase: 'interrupted' });
    await flow(1500);
    expect(session.state.get()).toEqual({ phase: 'live' });
    expect([server.count('POST'), server.count('DELETE')]).toEqual([1, 0]);
  });

  it('dials anew at once when the server has forgotten the session', async () => {
    await live();
    server.knows = false;
    newest().become('disconnected');
    await pass(300);
    expect(server.count('POST')).toBe(2);
  });

  it('notices a stream that stands still on a connection that looks well', async () => {
    await live();
    await pass(4000);
    expect(session.state.get()).toEqual({ phase: 'interrupted' });
    await pass(8000);
    expect(server.count('POST')).toBeGreaterThan(1);
  });

  it('names a network that lets no media through', async () => {
    session.start();
    await pass(11_500);
    expect(session.state.get()).toEqual({ phase: 'waiting', trouble: 'unreachable' });
  });

  it('uses the relays of one answer in the next attempt', async () => {
    server.headers = { Link: '<turn:t>; rel="ice-server"; username="u"; credential="c"' };
    session.start();
    await pass(12_000);
    expect(newest().configuration.iceServers).toEqual([{ urls: 'turn:t', username: 'u', credential: 'c' }]);
  });

  it('does not wait when told to hurry', async () => {
    server.up = false;
    session.start();
    await pass(20_000);
    const asked = server.count('POST');
    session.hurry();
    await pass(0);
    expect(server.count('POST')).toBe(asked + 1);
  });

  it('stops for good, and deletes what it had', async () => {
    await live();
    session.stop();
    expect(session.state.get()).toEqual({ phase: 'idle' });
    await pass(60_000);
    expect([server.count('POST'), server.count('DELETE')]).toEqual([1, 1]);
  });

  it('deletes a session that was still being made when it was stopped', async () => {
    session.start();
    session.stop(true);
    await pass(100);
    expect(session.state.get()).toEqual({ phase: 'idle' });
    expect([server.count('POST'), server.count('DELETE')]).toEqual([1, 1]);
  });
});
