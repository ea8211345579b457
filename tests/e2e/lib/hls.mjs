import { publishClock } from './ffmpeg.mjs';
import { becomes, bench, open } from './page.mjs';
import { until } from './process.mjs';

/** Pauses between two pictures that people see. */
const PAUSE_MS = 200;

/** How often the buffer is looked at. */
const LOOK_MS = 100;

/** In the product's page: notes what its video paints, and when it waits, jumps, or has a hole in what it is to play. */
function observe(every) {
  const { follow, kept } = globalThis.medleyTest;
  const video = globalThis.document.querySelector('#remote');
  const since = performance.now();
  const note = (times) => times.push((performance.now() - since) / 1000);
  kept.times = { waiting: [], seeking: [], holes: [] };
  for (const name of ['waiting', 'seeking']) {
    video.addEventListener(name, () => note(kept.times[name]));
  }
  setInterval(() => {
    const { buffered, currentTime } = video;
    const ahead = [...Array(buffered.length).keys()].filter((range) => buffered.end(range) > currentTime);
    if (ahead.length > 1) note(kept.times.holes);
  }, every);
  kept.frames = follow(video);
}

/** Publishes the time, by `WHIP` from a page of its own or by `RTMP` from ffmpeg; gives what ends it. */
async function publishTime(server, browser, publisher, path) {
  if (publisher === 'RTMP') {
    const program = publishClock(`${server.rtmp}/${path}`);
    return () => program.stop();
  }
  const { page } = await bench(browser, server);
  await page.evaluate(async (url) => {
    const { clockStream, whip, kept } = globalThis.medleyTest;
    kept.sender = await whip(url, await clockStream());
  }, `${server.http}/${path}/whip`);
  return () => page.close();
}

/**
 * Watches a stream by HLS in the product's own page, which has hls.js and its settings.
 *
 * @param {{ publisher: 'WHIP' | 'RTMP', seconds?: number }} options
 * @returns `start`: ms until it played; from then on `behind`: ms from each picture's drawing to its painting; `pauses`:
 *   those between two pictures that are longer than 200 ms; and in s after the start `waiting`: when it waited for data,
 *   `seeking`: when it jumped, `holes`: when its buffer was looked at and had one ahead
 */
export async function measureHls(server, browser, { publisher, seconds = 60 }) {
  const path = `hls${publisher}`;
  const stop = await publishTime(server, browser, publisher, path);
  const url = `${server.http}/${path}/`;
  await until(async () => (await fetch(`${url}index.m3u8`)).ok, { every: 300, what: 'the stream' });
  const asked = performance.now();
  const { page } = await open(browser, `${url}?hls`, { locale: 'en' });
  await becomes(page, 'read', 'live');
  const start = performance.now() - asked;
  await page.evaluate(observe, LOOK_MS);
  await page.waitForTimeout(seconds * 1000);
  const seen = await page.evaluate(() => {
    const { frames, times } = globalThis.medleyTest.kept;
    return { frames: frames.map(({ at, value }) => [at, value]), times };
  });
  await page.close();
  await stop();
  return { start, ...judge(seen) };
}

function judge({ frames, times }) {
  const readable = frames.filter(([, value]) => value !== null);
  const gaps = frames.slice(1).map(([at], index) => at - frames[index][0]);
  return {
    behind: readable.map(([at, value]) => (Math.floor(at) - value + 2 ** 24) % 2 ** 24),
    pauses: gaps.filter((gap) => gap > PAUSE_MS),
    ...times,
  };
}
