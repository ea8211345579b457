// aiortc, a WebRTC implementation that shares no code with the browser's.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { run, sleep, start } from '../lib/process.mjs';

const PYTHON = process.env.MEDLEY_PYTHON ?? 'python3';
const script = (name) => new URL(`../aiortc/${name}.py`, import.meta.url).pathname;

let server;
before(async () => {
  server = await startMedley();
});
after(() => server?.close());

test('aiortc publishes; RTMP reads H.264 and AAC', async () => {
  const publisher = start(PYTHON, [script('publish'), `${server.http}/doctorStream/whip`, '12']);
  await publisher.printed(/publishing/, 20_000);
  await sleep(1500);
  await ffmpeg.inFolder(async (folder) => {
    const file = join(folder, 'aiortc.flv');
    await ffmpeg.record(`${server.rtmp}/doctorStream_aac`, file, 5);
    assert.deepEqual(await ffmpeg.decodeErrors(file), []);
    const { video, audio } = await ffmpeg.probe(file);
    assert.equal(video?.codec_name, 'h264');
    assert.equal(audio?.codec_name, 'aac');
    assert.ok(ffmpeg.increasing(video.dts) && ffmpeg.increasing(audio.dts));
    const volume = await ffmpeg.meanVolume(file);
    // A sine of 8000/32768 has -15.3 dB, of which aiortc keeps half the power when it spreads it on two channels.
    assert.ok(Math.abs(volume + 18.3) < 1, `the tone arrives with ${volume} dB`);
  });
  const { code } = await publisher.ended;
  assert.equal(code, 0, publisher.output());
});

test('aiortc reads what RTMP publishes', async () => {
  const patient = ffmpeg.publish(await ffmpeg.clip(), `${server.rtmp}/patientStream`);
  await sleep(1500);
  const found = JSON.parse(await run(PYTHON, [script('read'), `${server.http}/patientStream/whep`, '6']));
  assert.equal(found.width, 640);
  assert.ok(found.pictures > 90, `${found.pictures} pictures in 6 s`);
  assert.ok(found.samples > 48_000 * 4, `${found.samples} samples in 6 s`);
  assert.ok(found.energy > 1, `energy ${found.energy}`);
  await patient.stop();
});
