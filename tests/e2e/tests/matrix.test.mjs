// Every way in to every way out: pictures and sound decode in each cell, times go forward, and it begins in time.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { bench } from '../lib/page.mjs';
import { until } from '../lib/process.mjs';

const PATH = 'ward/3';
const SECONDS = 5;
const script = (name) => new URL(`../node_modules/${name}`, import.meta.url).pathname;

/** One server for each kind of HLS; the first serves all other readers too. */
const VARIANTS = ['lowLatency', 'fmp4', 'mpegts'];
let servers;
let browser;
before(async () => {
  const server = (variant) => startMedley({ extra: `[hls]\nvariant = "${variant}"\n` });
  [browser, ...servers] = await Promise.all([launch({ scripts: true }), ...VARIANTS.map(server)]);
});
after(async () => {
  await browser?.close();
  await Promise.all(servers?.map((server) => server.close()) ?? []);
});

/** Each gives a function that ends the publishing. */
const PUBLISHERS = {
  'WHIP Chromium': async () => {
    const { page } = await bench(browser, servers[0]);
    await page.evaluate(
      async (urls) => {
        const { clockStream, whip, kept } = globalThis.medleyTest;
        const stream = await clockStream();
        kept.senders = await Promise.all(urls.map((url) => whip(url, stream)));
      },
      servers.map(({ http }) => `${http}/${PATH}/whip`),
    );
    return () => page.close();
  },
  'RTMP ffmpeg': (file) => every(({ rtmp }) => ffmpeg.publish(file, `${rtmp}/${PATH}`)),
  'RTSP-TCP ffmpeg': (file) => every(({ rtsp }) => ffmpeg.publishRtsp(file, `${rtsp}/${PATH}`, 'tcp')),
  'RTSP-UDP ffmpeg': (file) => every(({ rtsp }) => ffmpeg.publishRtsp(file, `${rtsp}/${PATH}`, 'udp')),
};

/** Starts a publisher for each server. */
function every(publish) {
  const publishers = servers.map(publish);
  return () => Promise.all(publishers.map((publisher) => publisher.stop('SIGINT')));
}

const analysis = ['-analyzeduration', '2000000'];
const rtsp = (transport) => ['-rtsp_transport', transport, '-timeout', '10000000', ...analysis];
const http = ['-rw_timeout', '10000000', ...analysis];

/** Readers that record: the URL, and ffmpeg's options for it. */
const RECORDERS = {
  'RTMP ffmpeg': () => [`${servers[0].rtmp}/${PATH}`, http],
  'RTSP-TCP ffmpeg': () => [`${servers[0].rtsp}/${PATH}`, rtsp('tcp')],
  'RTSP-UDP ffmpeg': () => [`${servers[0].rtsp}/${PATH}`, rtsp('udp')],
  'FLV ffmpeg': () => [`${servers[0].http}/${PATH}.flv`, http],
  'LL-HLS ffmpeg': () => [`${servers[0].hls}/${PATH}/index.m3u8`, http],
  'fMP4-HLS ffmpeg': () => [`${servers[1].hls}/${PATH}/index.m3u8`, http],
  'TS-HLS ffmpeg': () => [`${servers[2].hls}/${PATH}/index.m3u8`, http],
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
    }, `${servers[0].http}/${PATH}/whep`),
  'FLV mpegts.js': async (page) => {
    await page.addScriptTag({ path: script('mpegts.js/dist/mpegts.js') });
    await page.evaluate(async (url) => {
      const { playFlv, kept } = globalThis.medleyTest;
      kept.player = await playFlv(url);
    }, `${servers[0].http}/${PATH}.flv`);
  },
  'LL-HLS hls.js': async (page) => {
    await page.addScriptTag({ path: script('hls.js/dist/hls.min.js') });
    await page.evaluate(async (url) => {
      const { playHls, kept } = globalThis.medleyTest;
      kept.player = await playHls(url);
    }, `${servers[0].hls}/${PATH}/index.m3u8`);
  },
};

async function plays(begin, name) {
  const { page } = await bench(browser, servers[0]);
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

for (const [from, publish] of Object.entries(PUBLISHERS)) {
  describe(from, () => {
    let stop;
    before(async () => {
      stop = await publish(await ffmpeg.clip({ rate: 48000, channels: 2 }));
      await Promise.all(
        servers.map((server) =>
          until(async () => (await fetch(`${server.http}/${PATH}.flv`, { method: 'HEAD' })).ok, {
            what: 'the stream',
          }),
        ),
      );
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
