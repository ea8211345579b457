import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Reader } from './reader';
import { FakePeerConnection, created, fakeBrowser, fakeServer, pass } from './testing';

class FakeTrack extends EventTarget {
  constructor(readonly kind: string) {
    super();
  }
}

class FakeStream {
  constructor(readonly tracks: FakeTrack[]) {}
  getVideoTracks = (): FakeTrack[] => this.tracks.filter(({ kind }) => kind === 'video');
}

class ReceivingConnection extends FakePeerConnection {
  readonly receivers: { track: FakeTrack; jitterBufferTarget: number | null }[] = [];
  addTransceiver = vi.fn((kind: string, init: RTCRtpTransceiverInit) => {
    expect(init.direction).toBe('recvonly');
    const receiver = { track: new FakeTrack(kind), jitterBufferTarget: null };
    this.receivers.push(receiver);
    return { receiver };
  });
}

let reader: Reader;

beforeEach(() => {
  vi.useFakeTimers();
  fakeBrowser();
  vi.stubGlobal('RTCPeerConnection', ReceivingConnection);
  vi.stubGlobal('MediaStream', FakeStream);
  reader = new Reader({ url: '/p/whep', credentials: () => null });
});
afterEach(() => {
  reader.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const newest = (): ReceivingConnection => FakePeerConnection.made.at(-1) as ReceivingConnection;

it('asks for both media without delay, and shows the first stream at once', async () => {
  fakeServer(() => created());
  reader.start();
  await pass(0);
  expect(newest().receivers.map(({ track }) => track.kind)).toEqual(['video', 'audio']);
  expect(newest().receivers.map(({ jitterBufferTarget }) => jitterBufferTarget)).toEqual([0, 0]);
  expect(reader.stream.get()).not.toBeNull();
});

it('keeps the last picture until the next stream delivers', async () => {
  fakeServer(() => new Response(null, { status: 404 }));
  reader.start();
  await pass(0);
  const first = reader.stream.get();
  await pass(2000);
  expect(FakePeerConnection.made.length).toBeGreaterThan(1);
  expect(reader.stream.get()).toBe(first);
  newest().receivers[0]?.track.dispatchEvent(new Event('unmute'));
  expect(reader.stream.get()).not.toBe(first);
  reader.stop();
  expect(reader.stream.get()).toBeNull();
});
