/** What runs over one link, read from RTCStatsReport at one moment (W3C webrtc-stats). */
export interface Sample {
  /** Milliseconds of the report's clock. */
  readonly atMs: number;
  /** Media bytes so far: arrived for a reader, sent for a publisher. */
  readonly bytes: number;
  /** Pictures so far: decoded for a reader, encoded for a publisher. */
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  /** 0 (silence) to 1 (full scale), of what is played or captured. */
  readonly audioLevel: number;
  readonly packetsLost: number;
  /** Sum over all frames of the time in the jitter buffer, in s, and the number of those frames. */
  readonly jitterBufferDelay: number;
  readonly jitterBufferEmitted: number;
  /** To the server and back, in ms; null before the first answer. */
  readonly roundTripMs: number | null;
}

/** The change between two samples. */
export interface Quality {
  readonly framesPerSecond: number;
  readonly kilobitsPerSecond: number;
  /** Mean time that video waited in the browser before it was shown, in ms; null while nothing was shown. */
  readonly jitterBufferMs: number | null;
  readonly lostPackets: number;
  readonly width: number;
  readonly height: number;
  readonly audioLevel: number;
  readonly roundTripMs: number | null;
}

/** The members that are used here; a report holds objects of many kinds. */
interface Entry {
  readonly type: string;
  readonly kind?: string;
  readonly timestamp: number;
  readonly bytesReceived?: number;
  readonly bytesSent?: number;
  readonly framesDecoded?: number;
  readonly framesEncoded?: number;
  readonly frameWidth?: number;
  readonly frameHeight?: number;
  readonly audioLevel?: number;
  readonly packetsLost?: number;
  readonly jitterBufferDelay?: number;
  readonly jitterBufferEmittedCount?: number;
  readonly currentRoundTripTime?: number;
  readonly nominated?: boolean;
}

/** An RTCStatsReport as the map that it is (W3C webrtc §8.4). */
export type Report = ReadonlyMap<string, Entry>;

const sum = (entries: readonly Entry[], of: (entry: Entry) => number | undefined): number =>
  entries.reduce((total, entry) => total + (of(entry) ?? 0), 0);

/** Reads the report of a link that only sends or only receives. */
export function sample(report: Report): Sample {
  const all = [...report.values()];
  const media = all.filter(({ type }) => type === 'inbound-rtp' || type === 'outbound-rtp');
  const video = media.filter(({ kind }) => kind === 'video');
  const sound = all.filter(
    ({ type, kind }) => kind === 'audio' && (type === 'inbound-rtp' || type === 'media-source'),
  );
  const pair = all.find(({ type, nominated }) => type === 'candidate-pair' && nominated === true);
  const trip = pair?.currentRoundTripTime;
  return {
    atMs: media[0]?.timestamp ?? all[0]?.timestamp ?? 0,
    bytes: sum(media, (entry) => entry.bytesReceived ?? entry.bytesSent),
    frames: sum(video, (entry) => entry.framesDecoded ?? entry.framesEncoded),
    width: Math.max(0, ...video.map((entry) => entry.frameWidth ?? 0)),
    height: Math.max(0, ...video.map((entry) => entry.frameHeight ?? 0)),
    audioLevel: Math.max(0, ...sound.map((entry) => entry.audioLevel ?? 0)),
    packetsLost: sum(media, (entry) => entry.packetsLost),
    jitterBufferDelay: sum(video, (entry) => entry.jitterBufferDelay),
    jitterBufferEmitted: sum(video, (entry) => entry.jitterBufferEmittedCount),
    roundTripMs: trip === undefined ? null : trip * 1000,
  };
}

/** What happened between two samples of the same link; null without two, or while no time passed. */
export function quality(before: Sample | null, after: Sample | null): Quality | null {
  if (!before || !after) {
    return null;
  }
  const seconds = (after.atMs - before.atMs) / 1000;
  if (seconds <= 0 || after.bytes < before.bytes) {
    return null;
  }
  const emitted = after.jitterBufferEmitted - before.jitterBufferEmitted;
  const waited = after.jitterBufferDelay - before.jitterBufferDelay;
  return {
    framesPerSecond: (after.frames - before.frames) / seconds,
    kilobitsPerSecond: ((after.bytes - before.bytes) * 8) / 1000 / seconds,
    jitterBufferMs: emitted > 0 ? (waited / emitted) * 1000 : null,
    lostPackets: Math.max(0, after.packetsLost - before.packetsLost),
    width: after.width,
    height: after.height,
    audioLevel: after.audioLevel,
    roundTripMs: after.roundTripMs,
  };
}
