// The product's main job: a doctor in a browser and a patient on RTMP see and hear each other through one process.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { becomes, bench, open, phase, picture } from '../lib/page.mjs';
import { sleep, until } from '../lib/process.mjs';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startMedley(), launch({ scripts: true })]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** The middle one of a list of numbers. */
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function checkDoctorsFile(file, { seconds, sampleRate = '48000' }) {
  assert.deepEqual(await ffmpeg.decodeErrors(file), []);
  const { video, audio } = await ffmpeg.probe(file);
  assert.equal(video?.codec_name, 'h264');
  assert.equal(audio?.codec_name, 'aac');
  assert.equal(audio.sample_rate, sampleRate);
  for (const [kind, { dts, pts }] of Object.entries({ video, audio })) {
    assert.ok(ffmpeg.increasing(dts), `${kind} goes forward`);
    assert.ok(pts.at(-1) - pts[0] > seconds * 0.85, `${kind} covers ${pts.at(-1) - pts[0]} of ${seconds} s`);
  }
  // 48 kHz AAC has a frame every 21.33 ms; a gap of two frames would be heard.
  const gaps = audio.dts.map((time, at) => (at === 0 ? 0 : time - audio.dts[at - 1]));
  assert.ok(Math.max(...gaps) < 0.065, `the sound pauses ${Math.max(...gaps)} s`);
  return { video, audio };
}

test('a doctor with camera and tone, a patient on RTMP: both are seen and heard', async () => {
  const patient = ffmpeg.publish(
    await ffmpeg.clip({ rate: 48000, channels: 2 }),
    `${server.rtmp}/patientStream`,
  );
  const { page, errors } = await open(browser, `${server.http}/`, { locale: 'zh-CN' });
  await page.locator('#start').click();
  await Promise.all([becomes(page, 'publish', 'live'), becomes(page, 'read', 'live')]);

  await ffmpeg.inFolder(async (folder) => {
    const file = join(folder, 'doctor.flv');
    await ffmpeg.record(`${server.rtmp}/doctorStream_aac`, file, 10);
    const { video } = await checkDoctorsFile(file, { seconds: 10 });
    assert.equal(video.width, 640);
    assert.ok((await ffmpeg.meanVolume(file)) > -45, 'the tone of the fake microphone is heard');
  });

  const seen = await page.evaluate(async () => {
    const video = globalThis.document.querySelector('#remote');
    const frames = globalThis.medleyTest.follow(video);
    const sound = await globalThis.medleyTest.listen(video.srcObject);
    await new Promise((resolve) => setTimeout(resolve, 4000));
    return {
      painted: frames.length,
      power: sound.blocks.reduce((sum, { power }) => sum + power, 0),
      muted: video.muted,
    };
  });
  assert.ok(seen.painted > 60, `${seen.painted} pictures were painted in 4 s`);
  assert.ok(seen.power > 0.1, `sound energy ${seen.power}`);
  assert.equal(seen.muted, false);
  console.log(`    the page: ${await picture(page, 'call')}`);
  assert.match(await page.locator('[data-session="publish"]').innerText(), /患者可以看到您/);

  await page.locator('#stop').click();
  assert.equal(await phase(page, 'read'), 'idle');
  await until(
    async () =>
      (
        await fetch(`${server.http}/doctorStream/whep`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/sdp' },
          body: 'v=0',
        })
      ).status !== 201,
    { what: 'the end of the stream' },
  );
  assert.deepEqual(errors, []);
  await page.close();
  await patient.stop();
});

test(
  'both directions for 60 s, and sound beside picture within 60 ms at the end',
  { timeout: 180_000 },
  async () => {
    const patient = ffmpeg.publish(
      await ffmpeg.clip({ rate: 44100, channels: 1 }),
      `${server.rtmp}/patientStream`,
    );
    const { page } = await bench(browser, server);
    await until(
      () =>
        page.evaluate(async (base) => {
          const { clockStream, whip, whep, listen, kept } = globalThis.medleyTest;
          kept.reader = await whep(`${base}/patientStream/whep`).catch(() => null);
          if (!kept.reader) return false;
          kept.sound = await listen(kept.reader.stream);
          kept.sender = await whip(`${base}/doctorStream/whip`, await clockStream());
          return true;
        }, server.http),
      { what: 'the call', every: 500 },
    );
    await ffmpeg.inFolder(async (folder) => {
      const file = join(folder, 'doctor.flv');
      await sleep(1000);
      await ffmpeg.record(`${server.rtmp}/doctorStream_aac`, file, 58);
      const heard = await page.evaluate(async () => {
        const { offsets, stats, kept } = globalThis.medleyTest;
        const { frames, pc } = kept.reader;
        return {
          offsets: offsets(frames, kept.sound),
          painted: frames.length,
          unreadable: frames.filter(({ value }) => value === null).length,
          video: (await stats(pc))['inbound-rtp/video'],
          audio: (await stats(pc))['inbound-rtp/audio'],
        };
      });
      await checkDoctorsFile(file, { seconds: 58 });

      const atPatient = (await ffmpeg.offsets(file)).slice(-10).map(({ offset }) => offset);
      const atDoctor = heard.offsets.slice(-10).map(({ offset }) => offset);
      console.log(
        `    sound after picture, ms: ${median(atPatient).toFixed(0)} at the patient's end, ${median(atDoctor).toFixed(0)} at the doctor's`,
      );
      assert.ok(atPatient.length >= 8 && atDoctor.length >= 8, 'flashes and beeps arrive on both ends');
      assert.ok(Math.abs(median(atPatient)) <= 60, `patient: ${atPatient}`);
      assert.ok(Math.abs(median(atDoctor)) <= 60, `doctor: ${atDoctor}`);

      assert.ok(heard.painted > 58 * 25, `${heard.painted} pictures were painted`);
      assert.ok(heard.unreadable <= 2, `${heard.unreadable} pictures were damaged`);
      assert.equal(heard.video.packetsLost, 0);
      assert.ok(
        heard.audio.concealedSamples - heard.audio.silentConcealedSamples < 48_000 * 0.6,
        'the sound has no holes',
      );
    });
    await page.close();
    await patient.stop();
  },
);
