// A camera that pushes RTMP with G.711 is heard by every reader.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { run, sleep } from '../lib/process.mjs';

const PYTHON = process.env.MEDLEY_PYTHON ?? 'python3';
const READ = new URL('../aiortc/read.py', import.meta.url).pathname;

let server;
before(async () => {
  server = await startMedley();
});
after(() => server?.close());

for (const sound of ['pcm_alaw', 'pcm_mulaw']) {
  test(`RTMP with ${sound}: heard by RTMP as AAC and by WHEP as Opus`, async () => {
    const camera = ffmpeg.publish(
      await ffmpeg.clip({ seconds: 30, rate: 8000, sound }),
      `${server.rtmp}/camera`,
    );
    await sleep(1500);
    const whep = run(PYTHON, [READ, `${server.http}/camera/whep`, '6']);
    await ffmpeg.inFolder(async (folder) => {
      const file = join(folder, 'camera.flv');
      await ffmpeg.record(`${server.rtmp}/camera`, file, 6);
      assert.deepEqual(await ffmpeg.decodeErrors(file), []);
      const { video, audio } = await ffmpeg.probe(file);
      assert.equal(video?.codec_name, 'h264');
      assert.equal(audio?.codec_name, 'aac');
      assert.ok(ffmpeg.increasing(video.dts) && ffmpeg.increasing(audio.dts));
      // Flashes of the squeezed join are not where they were.
      const found = (await ffmpeg.offsets(file)).filter(({ at }) => at > 0.5);
      assert.ok(found.length >= 4, `${found.length} flashes with a beep`);
      for (const { at, offset } of found) assert.ok(Math.abs(offset) < 25, `${offset} ms at ${at} s`);
      console.log(`    sound against picture: ${found.map(({ offset }) => offset.toFixed(0)).join(' ')} ms`);
    });
    const heard = JSON.parse(await whep);
    assert.ok(heard.pictures > 90, `${heard.pictures} pictures in 6 s`);
    assert.ok(heard.samples > 48_000 * 4, `${heard.samples} samples in 6 s`);
    assert.ok(heard.energy > 1, `energy ${heard.energy}`);
    await camera.stop();
  });
}
