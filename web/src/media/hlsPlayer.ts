import type Hls from 'hls.js';
import { catchUpRate } from './catchUp';
import { SCRIPT } from './script';

/** Something that plays a playlist in a video element. */
export interface HlsPlayer {
  /** Seconds behind live, as far as it is known. */
  latency(): number | null;
  /** Ends it; the element shows its last picture. */
  close(): void;
}

/** Begins to play `url` in `video`; `failed` is called at most once, when it cannot go on. */
export type PlayHls = (url: string, video: HTMLVideoElement, failed: () => void) => Promise<HlsPlayer>;

const TYPE = 'application/vnd.apple.mpegurl';

/** hls.js where there is MSE, or its managed form; else the browser's own player (iPhones before iOS 17.1). */
export const playerFor: PlayHls = async (url, video, failed) => {
  const { default: HlsJs } = await import('hls.js');
  return HlsJs.isSupported()
    ? byHlsJs(new HlsJs(SETTINGS), HlsJs.Events, url, video, failed)
    : native(url, video, failed);
};

const SETTINGS = {
  lowLatencyMode: true,
  // The content policy has no workers from blobs; fragmented MP4 needs no conversion anyway.
  enableWorker: false,
  // No backBufferLength: when hls.js 1.7 drops what has been played while the first part of a segment is on its way, it
  // forgets that it has that part, and waits at the segment's end for ever. Browsers drop what was played by themselves.
  // A stall shows that the distance was too short by a part, not by the second that is usual.
  liveSyncOnStallIncrease: 0.2,
  xhrSetup: (request: XMLHttpRequest): void => {
    for (const [name, value] of Object.entries(SCRIPT)) {
      request.setRequestHeader(name, value);
    }
  },
};

function byHlsJs(
  hls: Hls,
  events: typeof Hls.Events,
  url: string,
  video: HTMLVideoElement,
  failed: () => void,
): HlsPlayer {
  hls.on(events.ERROR, (_event, { fatal }) => {
    if (fatal) {
      failed();
    }
  });
  hls.on(events.BUFFER_EOS, failed);
  const stop = new AbortController();
  video.addEventListener(
    'timeupdate',
    () => {
      followLive(hls, video);
    },
    { signal: stop.signal },
  );
  hls.loadSource(url);
  hls.attachMedia(video);
  return {
    latency: () => (hls.latency > 0 ? hls.latency : null),
    close: () => {
      stop.abort();
      hls.destroy();
    },
  };
}

function followLive(hls: Hls, video: HTMLVideoElement): void {
  const { buffered, currentTime, playbackRate } = video;
  if (buffered.length > 0 && hls.targetLatency !== null) {
    const ahead = buffered.end(buffered.length - 1) - currentTime;
    video.playbackRate = catchUpRate(playbackRate, hls.latency - hls.targetLatency, ahead);
  }
}

function native(url: string, video: HTMLVideoElement, failed: () => void): HlsPlayer {
  const stop = new AbortController();
  if (video.canPlayType(TYPE) === '') {
    throw new TypeError('neither Media Source Extensions nor HLS of the browser’s own');
  }
  for (const end of ['error', 'ended']) {
    video.addEventListener(end, failed, { signal: stop.signal });
  }
  video.src = url;
  return {
    latency: () => null,
    close: () => {
      stop.abort();
      video.removeAttribute('src');
      video.load();
    },
  };
}
