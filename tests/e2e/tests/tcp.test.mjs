// A network that lets no UDP through.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { bench } from '../lib/page.mjs';
import { sleep, until } from '../lib/process.mjs';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startMedley(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

test('the same call works over ICE-TCP alone', async () => {
  const patient = ffmpeg.publish(await ffmpeg.clip(), `${server.rtmp}/patientStream`);
  const { page } = await bench(browser, server);
  await until(
    () =>
      page.evaluate(async (base) => {
        const { clockStream, whip, whep, listen, kept } = globalThis.medleyTest;
        kept.reader = await whep(`${base}/patientStream/whep`, { tcpOnly: true }).catch(() => null);
        if (!kept.reader) return false;
        kept.sound = await listen(kept.reader.stream);
        kept.sender = await whip(`${base}/doctorStream/whip`, await clockStream(), { tcpOnly: true });
        return true;
      }, server.http),
    { what: 'the call', every: 500 },
  );
  await ffmpeg.inFolder(async (folder) => {
    const file = join(folder, 'doctor.flv');
    await sleep(1000);
    await ffmpeg.record(`${server.rtmp}/doctorStream_aac`, file, 6);
    assert.deepEqual(await ffmpeg.decodeErrors(file), []);
    assert.ok((await ffmpeg.meanVolume(file)) > -45);
  });
  const seen = await page.evaluate(async () => {
    const { stats, kept } = globalThis.medleyTest;
    const both = await Promise.all([kept.reader.pc, kept.sender.pc].map(stats));
    return {
      painted: kept.reader.frames.filter(({ value }) => value !== null).length,
      power: kept.sound.blocks.reduce((sum, { power }) => sum + power, 0),
      ways: both.map((found) => found[found.pair.localCandidateId].protocol),
    };
  });
  assert.deepEqual(seen.ways, ['tcp', 'tcp']);
  assert.ok(seen.painted > 100, `${seen.painted} pictures were painted`);
  assert.ok(seen.power > 0.1);
  await page.close();
  await patient.stop();
});
