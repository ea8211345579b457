import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Camera, captureTrouble, constraints } from './camera';

class FakeTrack {
  enabled = true;
  contentHint = '';
  onended: (() => void) | null = null;
  stop = vi.fn();
  constructor(readonly kind: 'audio' | 'video') {}
}

class FakeStream {
  readonly tracks = [new FakeTrack('video'), new FakeTrack('audio')];
  getTracks = (): FakeTrack[] => this.tracks;
  track = (kind: string): FakeTrack =>
    this.tracks.find((track) => track.kind === kind) ?? new FakeTrack('audio');
}

const getUserMedia = vi.fn<() => Promise<FakeStream>>();
let camera: Camera;

beforeEach(() => {
  vi.stubGlobal('navigator', { mediaDevices: { getUserMedia } });
  getUserMedia.mockReset().mockImplementation(() => Promise.resolve(new FakeStream()));
  camera = new Camera({ width: 640, height: 480 });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const failing = (name: string): Promise<never> => Promise.reject(new DOMException('no', name));

describe('captureTrouble', () => {
  it.each([
    ['NotAllowedError', 'denied'],
    ['SecurityError', 'denied'],
    ['NotFoundError', 'missing'],
    ['OverconstrainedError', 'missing'],
    ['NotReadableError', 'inUse'],
    ['AbortError', 'inUse'],
    ['TypeError', 'unknown'],
  ])('reads %s as %s', (name, trouble) => {
    expect(captureTrouble(new DOMException('', name))).toBe(trouble);
  });
});

describe('Camera', () => {
  it('asks once, for one voice and the size that was wanted', async () => {
    const stream = await camera.start();
    expect(await camera.start()).toBe(stream);
    expect(getUserMedia).toHaveBeenCalledExactlyOnceWith(constraints({ width: 640, height: 480 }));
    expect(camera.state.get()).toEqual({ phase: 'on', stream });
  });

  it('says why it has nothing', async () => {
    getUserMedia.mockImplementation(() => failing('NotAllowedError'));
    expect(await camera.start()).toBeNull();
    expect(camera.state.get()).toEqual({ phase: 'failed', trouble: 'denied' });
  });

  it('knows that a page without https gets no camera', async () => {
    vi.stubGlobal('navigator', {});
    expect(await camera.start()).toBeNull();
    expect(camera.state.get()).toEqual({ phase: 'failed', trouble: 'insecure' });
  });

  it('gives the devices back, also those that were granted too late', async () => {
    const late = new FakeStream();
    getUserMedia.mockImplementation(() => Promise.resolve(late));
    const asking = camera.start();
    camera.stop();
    expect(await asking).toBeNull();
    expect(late.tracks.every((track) => track.stop.mock.calls.length === 1)).toBe(true);
    expect(camera.state.get()).toEqual({ phase: 'off' });
  });

  it('takes what is there when a device is pulled out, and whoever was muted stays muted', async () => {
    const first = new FakeStream();
    const second = new FakeStream();
    getUserMedia.mockResolvedValueOnce(first).mockResolvedValueOnce(second);
    await camera.start();
    camera.enable('audio', false);
    expect(first.track('audio').enabled).toBe(false);
    first.track('video').onended?.();
    await vi.waitFor(() => {
      expect(camera.state.get()).toMatchObject({ phase: 'on', stream: second });
    });
    expect(second.track('audio').enabled).toBe(false);
    expect(second.track('video').enabled).toBe(true);
    expect(first.track('audio').stop).toHaveBeenCalled();
  });

  it('continues by itself when a device is plugged in, unless it was stopped', async () => {
    getUserMedia.mockImplementationOnce(() => failing('NotFoundError'));
    await camera.start();
    await camera.devicesChanged();
    expect(camera.state.get().phase).toBe('on');
    camera.stop();
    await camera.devicesChanged();
    expect(camera.state.get()).toEqual({ phase: 'off' });
    expect(getUserMedia).toHaveBeenCalledTimes(2);
  });
});
