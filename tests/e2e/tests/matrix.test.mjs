// Every way in to every way out: pictures and sound decode in each cell, times go forward, and it begins in time.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { bench } from '../lib/page.mjs';
import { until } from '../lib/process.mjs';

const SECONDS = 5;
const script = (name) => new URL(`../node_modules/${name}`, import.meta.url).pathname;

let server;
let browser;
/** Of its own for each publisher: a reader who comes before the next one would begin with the one before. */
let path;
before(async () => {
  [browser, server] = await Promise.all([launch({ scripts: true }), startMedley()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Each gives a function that ends the publishing. */
const PUBLISHERS = {
  'WHIP Chromium': async () => {
    const { page } = await bench(browser, server);
    await page.evaluate(async (url) => {
      const { clockStream, whip, kept } = globalThis.medleyTest;
      kept.sender = await whip(url, await clockStream());
    }, `${server.http}/${path}/whip`);
    return () => page.close();
  },
  'RTMP ffmpeg': (file) => stopping(ffmpeg.publish(file, `${server.rtmp}/${path}`)),
  'RTSP-TCP ffmpeg': (file) => stopping(ffmpeg.publishRtsp(file, `${server.rtsp}/${path}`, 'tcp')),
  'RTSP-UDP ffmpeg': (file) => stopping(ffmpeg.publishRtsp(file, `${server.rtsp}/${path}`, 'udp')),
};

const stopping = (publisher) => () => publisher.stop('SIGINT');

const analysis = ['-analyzeduration', '2000000'];
const rtsp = (transport) => ['-rtsp_transport', transport, '-timeout', '10000000', ...analysis];
const http = ['-rw_timeout', '10000000', ...analysis];

/** Readers that record: the URL, and ffmpeg's options for it. */
const RECORDERS = {
  'RTMP ffmpeg': () => [`${server.rtmp}/${path}`, http],
  'RTSP-TCP ffmpeg': () => [`${server.rtsp}/${path}`, rtsp('tcp')],
  'RTSP-UDP ffmpeg': () => [`${server.rtsp}/${path}`, rtsp('udp')],
  'FLV ffmpeg': () => [`${server.http}/${path}.flv`, http],
  'LL-HLS ffmpeg': () => [`${server.hls}/${path}/index.m3u8`, http],
  'fMP4-HLS ffmpeg': () => [`${server.hls}/${path}/index.m3u8?variant=fmp4`, http],
  'TS-HLS ffmpeg': () => [`${server.hls}/${path}/index.m3u8?variant=mpegts`, http],
};

async function records([url, options], folder, name) {
  const file = join(folder, `${name.replace(' ', '-')}.nut`);
  const begun = performance.now();
  await ffmpeg.record(url, file, SECONDS, { options });
  const took = (performance.now() - begun) / 1000;
  assert.deepEqual(await ffmpeg.decodeErrors(file), [], `${name} decodes`);
  const { video, audio } = await ffmpeg.probe(file);
  assert.equal(video?.codec_name, 'h264', name);
  assert.match(audio?.codec_name ?? 'none', /^(aac|opus)$/, name);
  for (const [kind, { dts, pts }] of Object.entries({ video, audio })) {
    assert.ok(ffmpeg.increasing(dts), `${name}: ${kind} goes forward`);
    const covered = Math.max(...pts) - Math.min(...pts);
    assert.ok(covered > SECONDS * 0.8, `${name}: ${kind} covers ${covered} of ${SECONDS} s`);
  }
  assert.ok((await ffmpeg.meanVolume(file)) > -45, `${name}: the beeps are heard`);
  // ffmpeg looks at the stream for 2 s before it begins, and HLS has some segments to give at once.
  assert.ok(took < SECONDS + 8, `${name}: ${took} s for ${SECONDS}`);
}

/** Readers in a page: how they begin. */
const PLAYERS = {
  'WHEP Chromium': async (page) =>
    page.evaluate(async (url) => {
      const { whep, listen, kept } = globalThis.medleyTest;
      const reader = await whep(url);
      kept.player = { ...reader, sound: await listen(reader.stream) };
    }, `${server.http}/${path}/whep`),
  'FLV mpegts.js': async (page) => {
    await page.addScriptTag({ path: script('mpegts.js/dist/mpegts.js') });
    await page.evaluate(async (url) => {
      const { playFlv, kept } = globalThis.medleyTest;
      kept.player = await playFlv(url);
    }, `${server.http}/${path}.flv`);
  },
  'LL-HLS hls.js': async (page) => {
    await page.addScriptTag({ path: script('hls.js/dist/hls.min.js') });
    await page.evaluate(async (url) => {
      const { playHls, kept } = globalThis.medleyTest;
      kept.player = await playHls(url);
    }, `${server.hls}/${path}/index.m3u8`);
  },
};

async function plays(begin, name) {
  const { page } = await bench(browser, server);
  const begun = performance.now();
  await begin(page);
  const seen = await page.evaluate(async (seconds) => {
    const { kept, onsets, now } = globalThis.medleyTest;
    const { frames, sound, video } = kept.player;
    const from = now();
    const first = frames.length;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const values = frames.slice(first).map(({ value }) => value);
    return {
      values,
      beeps: onsets(sound).filter((at) => at > from).length,
      error: video.error?.message ?? null,
    };
  }, SECONDS);
  const took = (performance.now() - begun) / 1000;
  await page.close();
  assert.equal(seen.error, null, name);
  const read = seen.values.filter((value) => value !== null);
  assert.ok(read.length > SECONDS * 15, `${name}: ${read.length} pictures in ${SECONDS} s`);
  assert.ok(read.length / seen.values.length > 0.95, `${name}: some pictures are broken`);
  assert.ok(
    read.every((value, at) => at === 0 || value >= read[at - 1]),
    `${name}: pictures go forward: ${read}`,
  );
  assert.ok(seen.beeps >= SECONDS - 2, `${name}: ${seen.beeps} beeps in ${SECONDS} s`);
  assert.ok(took < SECONDS + 8, `${name}: ${took} s for ${SECONDS}`);
}

for (const [number, [from, publish]] of Object.entries(PUBLISHERS).entries()) {
  describe(from, () => {
    let stop;
    before(async () => {
      path = `ward/${number}`;
      stop = await publish(await ffmpeg.clip({ rate: 48000, channels: 2 }));
      await until(async () => (await fetch(`${server.http}/${path}.flv`, { method: 'HEAD' })).ok, {
        what: 'the stream',
      });
    });
    after(() => stop());
    // Recorders run side by side; players one by one, since two cores also draw and encode.
    test(`${from} > every recorder`, () =>
      ffmpeg.inFolder((folder) =>
        Promise.all(Object.entries(RECORDERS).map(([name, how]) => records(how(), folder, name))),
      ));
    for (const [to, begin] of Object.entries(PLAYERS)) {
      test(`${from} > ${to}`, () => plays(begin, to));
    }
  });
}
