import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PlayHls } from './hlsPlayer';
import { HlsViewer } from './hlsViewer';
import { fakeServer, type Seen } from './testing';

/** A server that answers with a status, and a player whose picture the test moves. */
class Bench {
  status = 200;
  seen: Seen[] = fakeServer(() => new Response(null, { status: this.status }));
  video = { currentTime: 0 } as HTMLVideoElement;
  opened = 0;
  closed = 0;
  fail: () => void = () => undefined;

  readonly play: PlayHls = (_url, _video, failed) => {
    this.opened += 1;
    this.fail = failed;
    return Promise.resolve({
      latency: () => 0.5,
      close: () => {
        this.closed += 1;
      },
    });
  };
}

let bench: Bench;
let viewer: HlsViewer;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { hidden: false });
  bench = new Bench();
  viewer = new HlsViewer('/ward/index.m3u8', null, bench.play, () => 0);
  viewer.attach(bench.video);
});

afterEach(() => {
  viewer.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function playFor(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 500) {
    bench.video.currentTime += 0.5;
    await vi.advanceTimersByTimeAsync(500);
  }
}

describe('HlsViewer', () => {
  it('is live when the picture moves, and tells how far behind', async () => {
    viewer.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(viewer.state.get()).toEqual({ phase: 'connecting' });
    await playFor(1000);
    expect(viewer.state.get()).toEqual({ phase: 'live' });
    expect(viewer.latency.get()).toBe(0.5);
  });

  it('waits for a publisher and asks again by itself', async () => {
    bench.status = 404;
    viewer.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(viewer.state.get()).toEqual({ phase: 'waiting', trouble: 'absent' });
    bench.status = 200;
    await vi.advanceTimersByTimeAsync(1500);
    await playFor(1000);
    expect(viewer.state.get()).toEqual({ phase: 'live' });
  });

  it('asks for credentials, shows them once in a header, and goes on', async () => {
    bench.status = 401;
    viewer.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(viewer.state.get()).toEqual({ phase: 'refused', trouble: 'unauthorized' });
    bench.status = 200;
    viewer.signIn({ kind: 'token', token: 'abc' });
    await playFor(1000);
    expect(viewer.state.get()).toEqual({ phase: 'live' });
    expect(bench.seen.at(-1)?.headers.get('authorization')).toBe('Bearer abc');
  });

  it('begins anew when the player gives up or the picture stands still', async () => {
    viewer.start();
    await playFor(1000);
    bench.fail();
    await vi.advanceTimersByTimeAsync(2000);
    expect([bench.opened, bench.closed]).toEqual([2, 1]);
    await playFor(1000);
    await vi.advanceTimersByTimeAsync(12_000);
    expect(bench.opened).toBe(3);
  });

  it('stops at once and lets the player go', async () => {
    viewer.start();
    await playFor(1000);
    viewer.stop();
    await vi.advanceTimersByTimeAsync(0);
    expect([bench.closed, viewer.state.get().phase, viewer.playing.get()]).toEqual([1, 'idle', false]);
  });
});
