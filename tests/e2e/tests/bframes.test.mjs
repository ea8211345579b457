// A source with B-frames: pictures are sent in another order than they are shown, and sound and picture still belong
// together for every reader. (RTP carries no decode times: what receives it has to find them.)
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { until } from '../lib/process.mjs';

const SECONDS = 6;
/** What people notice begins at 60 ms (ITU-R BT.1359 has 45 early and 125 late); a picture takes 33. */
const BOUND = 60;

let server;
before(async () => {
  server = await startMedley();
});
after(() => server?.close());

const PUBLISHERS = {
  RTMP: (file, path) => ffmpeg.publish(file, `${server.rtmp}/${path}`),
  'RTSP over TCP': (file, path) => ffmpeg.publishRtsp(file, `${server.rtsp}/${path}`, 'tcp'),
  'RTSP over UDP': (file, path) => ffmpeg.publishRtsp(file, `${server.rtsp}/${path}`, 'udp'),
};

const http = ['-rw_timeout', '10000000', '-analyzeduration', '2000000'];
const READERS = {
  RTMP: (path) => [`${server.rtmp}/${path}`, http],
  FLV: (path) => [`${server.http}/${path}.flv`, http],
  RTSP: (path) => [
    `${server.rtsp}/${path}`,
    ['-rtsp_transport', 'tcp', '-analyzeduration', '2000000'],
    // ffmpeg knows no decode times by RTSP, and copies no packet without one: it shows the pictures instead.
    [
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0', '-fps_mode', 'passthrough'],
      '-c:a',
      'pcm_s16le',
    ],
  ],
  'LL-HLS': (path) => [`${server.hls}/${path}/index.m3u8`, http],
  'TS-HLS': (path) => [`${server.hls}/${path}/index.m3u8?variant=mpegts`, http],
};

async function together([url, options, codecs], folder, name) {
  // Unlike NUT, it has decode times.
  const file = join(folder, `${name.replaceAll(' ', '-')}.mov`);
  await ffmpeg.record(url, file, SECONDS, { options, codecs });
  assert.deepEqual(await ffmpeg.decodeErrors(file), [], `${name} decodes`);
  const { video } = await ffmpeg.probe(file);
  assert.ok(ffmpeg.increasing(video.dts), `${name}: decode times go forward`);
  const reordered = video.pts.some((pts, at) => pts < Math.max(...video.pts.slice(0, at)));
  assert.ok(reordered || codecs, `${name}: pictures are sent in another order than they are shown`);
  // Those of the squeezed join come faster than they were recorded.
  const begun = Math.min(...video.pts) + 2;
  const offsets = (await ffmpeg.offsets(file)).filter(({ at }) => at > begun).map(({ offset }) => offset);
  assert.ok(offsets.length >= 2, `${name}: ${offsets.length} flashes with a beep`);
  const middle = offsets.toSorted((a, b) => a - b)[Math.floor(offsets.length / 2)];
  console.log(`    ${name}: sound ${middle.toFixed(0)} ms after the picture`);
  assert.ok(Math.abs(middle) < BOUND, `${name}: sound is off by ${offsets} ms`);
}

for (const [number, [from, publish]] of Object.entries(PUBLISHERS).entries()) {
  test(`${from} with B-frames: sound and picture belong together for every reader`, async () => {
    const path = `ward/${number}`;
    const publisher = publish(await ffmpeg.clip({ rate: 48000, channels: 2, bframes: 2 }), path);
    await until(async () => (await fetch(`${server.http}/${path}.flv`, { method: 'HEAD' })).ok, {
      what: 'the stream',
    });
    await ffmpeg.inFolder((folder) =>
      Promise.all(
        Object.entries(READERS).map(([to, how]) => together(how(path), folder, `${from} to ${to}`)),
      ),
    );
    await publisher.stop('SIGINT');
  });
}
