import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { followPatient, parseFigures, type PatientFigures } from './demo';

const ANSWER = {
  connected: true,
  video_fps: 29.97,
  video_width: 640,
  video_height: 480,
  audio_level_dbfs: -21.5,
  delay_ms: 140,
  something_new: 'x',
};

describe('parseFigures', () => {
  it('reads every figure', () => {
    expect(parseFigures(ANSWER)).toEqual({
      connected: true,
      fps: 29.97,
      width: 640,
      height: 480,
      audioDbfs: -21.5,
      delayMs: 140,
    });
  });

  it.each([null, 'text', 3, [], { connected: 'yes', video_fps: '30', delay_ms: null }])(
    'makes nothing up from %j',
    (body) => {
      expect(parseFigures(body)).toEqual({
        connected: false,
        fps: null,
        width: null,
        height: null,
        audioDbfs: null,
        delayMs: null,
      });
    },
  );
});

describe('followPatient', () => {
  const answer = vi.fn<() => Promise<Response>>();
  let got: (PatientFigures | null)[] = [];
  let stop = (): void => undefined;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('fetch', answer);
    answer.mockReset().mockImplementation(() => Promise.resolve(Response.json(ANSWER)));
    got = [];
  });
  afterEach(() => {
    stop();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
  const follow = (): void => {
    stop = followPatient((figures) => got.push(figures));
  };

  it('asks once a second until it is stopped', async () => {
    follow();
    await vi.advanceTimersByTimeAsync(2500);
    expect(got).toHaveLength(3);
    stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(got).toHaveLength(3);
  });

  it('asks a server that runs no demo only once and shows nothing', async () => {
    answer.mockImplementation(() => Promise.resolve(new Response(null, { status: 404 })));
    follow();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(got).toEqual([]);
    expect(answer).toHaveBeenCalledTimes(1);
  });

  it('goes on through an outage', async () => {
    follow();
    await vi.advanceTimersByTimeAsync(0);
    answer.mockImplementationOnce(() => Promise.reject(new TypeError('refused')));
    await vi.advanceTimersByTimeAsync(2000);
    expect(got.map((figures) => figures !== null)).toEqual([true, false, true]);
  });
});
