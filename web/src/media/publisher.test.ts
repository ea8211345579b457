import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Camera } from './camera';
import { Publisher } from './publisher';
import { FakePeerConnection, created, fakeBrowser, fakeServer, pass, type Seen } from './testing';

class FakeTrack {
  enabled = true;
  contentHint = '';
  onended: (() => void) | null = null;
  stop = vi.fn();
  constructor(readonly kind: string) {}
}

class FakeStream {
  readonly tracks = [new FakeTrack('audio'), new FakeTrack('video')];
  getTracks = (): FakeTrack[] => this.tracks;
  getVideoTracks = (): FakeTrack[] => this.tracks.filter(({ kind }) => kind === 'video');
  getAudioTracks = (): FakeTrack[] => this.tracks.filter(({ kind }) => kind === 'audio');
}

class FakeSender {
  set: RTCRtpSendParameters | null = null;
  constructor(public track: FakeTrack) {}
  getParameters = (): { encodings: object[] } => ({ encodings: [{}] });
  setParameters = (parameters: RTCRtpSendParameters): Promise<void> => {
    this.set = parameters;
    return Promise.resolve();
  };
  replaceTrack = vi.fn((track: FakeTrack) => {
    this.track = track;
    return Promise.resolve();
  });
}

class SendingConnection extends FakePeerConnection {
  readonly transceivers: { sender: FakeSender; receiver: { track: FakeTrack } }[] = [];
  addTransceiver = vi.fn((track: FakeTrack, init: RTCRtpTransceiverInit) => {
    expect(init.direction).toBe('sendonly');
    const transceiver = { sender: new FakeSender(track), receiver: { track: new FakeTrack(track.kind) } };
    this.transceivers.push(transceiver);
    return transceiver;
  });
  getTransceivers = (): typeof this.transceivers => this.transceivers;
}

const getUserMedia = vi.fn<() => Promise<FakeStream>>();
let camera: Camera;
let publisher: Publisher;
let seen: Seen[];

beforeEach(() => {
  vi.useFakeTimers();
  fakeBrowser();
  vi.stubGlobal('RTCPeerConnection', SendingConnection);
  vi.stubGlobal('navigator', { mediaDevices: { getUserMedia } });
  getUserMedia.mockReset().mockImplementation(() => Promise.resolve(new FakeStream()));
  seen = fakeServer(({ method }) => (method === 'POST' ? created() : new Response(null)));
  camera = new Camera({ width: 640, height: 480 });
  publisher = new Publisher(camera, {
    url: '/p/whip',
    credentials: () => null,
  });
});
afterEach(() => {
  publisher.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const newest = (): SendingConnection => FakePeerConnection.made.at(-1) as SendingConnection;

it('sends video first, with a picture size that stays', async () => {
  await publisher.start();
  await pass(0);
  const [video, audio] = newest().transceivers;
  expect([video?.sender.track.kind, audio?.sender.track.kind]).toEqual(['video', 'audio']);
  expect(video?.sender.set?.degradationPreference).toBe('maintain-resolution');
  expect(audio?.sender.set).toBeNull();
});

it('asks the server for nothing while there is no camera, and begins when there is one', async () => {
  getUserMedia.mockImplementationOnce(() => Promise.reject(new DOMException('', 'NotFoundError')));
  await publisher.start();
  await pass(5000);
  expect(seen).toEqual([]);
  await camera.devicesChanged();
  await pass(0);
  expect(seen).toMatchObject([{ method: 'POST', url: '/p/whip' }]);
});

it('puts the tracks of a camera that came back on the running session', async () => {
  await publisher.start();
  newest().become('connected');
  newest().bytes = 100;
  await pass(1500);
  const again = new FakeStream();
  getUserMedia.mockResolvedValueOnce(again);
  newest().transceivers[0]?.sender.track.onended?.();
  await pass(100);
  expect(newest().transceivers.map(({ sender }) => sender.track)).toEqual([again.tracks[1], again.tracks[0]]);
  expect(seen.filter(({ method }) => method === 'POST')).toHaveLength(1);
});

it('gives the devices back and deletes its session', async () => {
  await publisher.start();
  await pass(0);
  const tracks = newest().transceivers.map(({ sender }) => sender.track);
  publisher.stop(true);
  expect(tracks.every((track) => track.stop.mock.calls.length === 1)).toBe(true);
  expect(seen.at(-1)).toMatchObject({ method: 'DELETE', keepalive: true });
});
