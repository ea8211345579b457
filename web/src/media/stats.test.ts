import { describe, expect, it } from 'vitest';
import { quality, sample, type Report } from './stats';

const report = (entries: (Record<string, unknown> & { type: string })[]): Report =>
  new Map(entries.map((entry, at) => [String(at), { timestamp: 1000, ...entry }]));

const inbound = (at: number, bytes: number, frames: number): Report =>
  report([
    {
      type: 'inbound-rtp',
      kind: 'video',
      timestamp: at,
      bytesReceived: bytes,
      framesDecoded: frames,
      frameWidth: 640,
      frameHeight: 480,
      packetsLost: 2,
      jitterBufferDelay: frames * 0.02,
      jitterBufferEmittedCount: frames,
    },
    {
      type: 'inbound-rtp',
      kind: 'audio',
      timestamp: at,
      bytesReceived: 500,
      audioLevel: 0.25,
      packetsLost: 1,
    },
    { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.012 },
    { type: 'candidate-pair', nominated: false, currentRoundTripTime: 9 },
  ]);

describe('sample', () => {
  it('reads what a reader receives', () => {
    expect(sample(inbound(1000, 2000, 30))).toMatchObject({
      atMs: 1000,
      bytes: 2500,
      frames: 30,
      width: 640,
      height: 480,
      audioLevel: 0.25,
      packetsLost: 3,
      roundTripMs: 12,
    });
  });

  it('reads what a publisher sends, and its microphone', () => {
    const sent = report([
      {
        type: 'outbound-rtp',
        kind: 'video',
        bytesSent: 900,
        framesEncoded: 12,
        frameWidth: 320,
        frameHeight: 240,
      },
      { type: 'media-source', kind: 'audio', audioLevel: 0.5 },
      { type: 'media-source', kind: 'video' },
    ]);
    expect(sample(sent)).toMatchObject({
      bytes: 900,
      frames: 12,
      width: 320,
      audioLevel: 0.5,
      roundTripMs: null,
    });
  });

  it('makes do with an empty report', () => {
    expect(sample(new Map())).toMatchObject({ bytes: 0, frames: 0, width: 0, audioLevel: 0 });
  });
});

describe('quality', () => {
  it('is the change over the time between', () => {
    const between = quality(sample(inbound(1000, 0, 30)), sample(inbound(3000, 250_000, 90)));
    expect(between).toMatchObject({ framesPerSecond: 30, kilobitsPerSecond: 1000, lostPackets: 0 });
    expect(between?.jitterBufferMs).toBeCloseTo(20);
  });

  it('is unknown without time between, or across two links', () => {
    const one = sample(inbound(1000, 100, 1));
    expect(quality(one, one)).toBeNull();
    expect(quality(sample(inbound(1000, 900, 9)), sample(inbound(2000, 100, 1)))).toBeNull();
  });
});
