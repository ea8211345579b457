// What happens when something goes away and comes back. Nobody clicks anything.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { becomes, open } from '../lib/page.mjs';
import { sleep, start, until } from '../lib/process.mjs';

let server;
let browser;
let file;
before(async () => {
  [server, browser, file] = await Promise.all([startMedley(), launch(), ffmpeg.clip()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Whether the patient's picture moves at the moment. */
const moving = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        const video = globalThis.document.querySelector('#remote');
        video.requestVideoFrameCallback(() => video.requestVideoFrameCallback(() => resolve(true)));
        setTimeout(() => resolve(false), 1000);
      }),
  );

test('the page waits for the patient, and shows them when they come', async () => {
  const { page } = await open(browser, `${server.http}/?auto=1`);
  await becomes(page, 'read', 'waiting');
  const patient = ffmpeg.publish(file, `${server.rtmp}/patientStream`);
  await becomes(page, 'read', 'live');
  assert.ok(await moving(page));
  await patient.stop();
  await page.close();
});

test('a publisher that reconnects keeps its readers', async () => {
  let patient = ffmpeg.publish(file, `${server.rtmp}/patientStream`);
  const { page } = await open(browser, `${server.http}/?auto=1`);
  await becomes(page, 'read', 'live');
  let posts = 0;
  page.on(
    'request',
    (request) => (posts += request.method() === 'POST' && request.url().endsWith('/whep') ? 1 : 0),
  );
  const reader = start('ffmpeg', [
    '-nostdin',
    '-loglevel',
    'error',
    '-rw_timeout',
    '8000000',
    '-i',
    `${server.rtmp}/patientStream`,
    '-f',
    'null',
    '-',
  ]);
  await sleep(1500);

  await patient.stop('SIGKILL');
  await sleep(1000);
  patient = ffmpeg.publish(file, `${server.rtmp}/patientStream`);
  const took = await until(() => moving(page), { what: 'a moving picture' });
  await sleep(1500);
  assert.equal(posts, 0, 'the browser reads on under its session');
  assert.equal(reader.child.exitCode, null, `the RTMP reader goes on: ${reader.output()}`);
  console.log(`    picture ${took.toFixed(0)} ms after the publisher was started again`);
  await reader.stop();
  await patient.stop();
  await page.close();
});

test('the server restarts: both directions come back without a click', { timeout: 90_000 }, async () => {
  let patient = ffmpeg.publish(file, `${server.rtmp}/patientStream`);
  const { page } = await open(browser, `${server.http}/?auto=1`);
  await Promise.all([becomes(page, 'read', 'live'), becomes(page, 'publish', 'live')]);

  const took = await server.down();
  assert.ok(took < 2000, `SIGTERM took ${took} ms`);
  assert.equal((await server.program.ended).code, 0, server.log().slice(-2000));
  await patient.ended;
  const noticed = await becomes(page, 'read', 'waiting');
  await sleep(1000);
  const begun = performance.now();
  await server.up();
  patient = ffmpeg.publish(file, `${server.rtmp}/patientStream`);
  await Promise.all([becomes(page, 'read', 'live', 20_000), becomes(page, 'publish', 'live', 20_000)]);
  assert.ok(await moving(page));
  console.log(
    `    noticed after ${noticed.toFixed(0)} ms, back ${(performance.now() - begun).toFixed(0)} ms after the start`,
  );
  await patient.stop();
  await page.close();
});

test('the server is killed: the page notices and comes back as well', { timeout: 90_000 }, async () => {
  const { page } = await open(browser, `${server.http}/?auto=1`);
  await becomes(page, 'publish', 'live');
  await server.down('SIGKILL');
  await until(
    async () => (await page.locator('[data-session="publish"]').getAttribute('data-phase')) !== 'live',
    {
      ms: 15_000,
      what: 'the page noticing',
    },
  );
  await server.up();
  await becomes(page, 'publish', 'live', 20_000);
  await page.close();
});

test('a page that is left ends its sessions at once', async () => {
  const { page } = await open(browser, `${server.http}/?auto=1`);
  await becomes(page, 'publish', 'live');
  const published = async () =>
    /^medley_streams_published (\d+)/m.exec(await (await fetch(`${server.http}/metrics`)).text())?.[1];
  assert.equal(await published(), '1');
  await page.goto('about:blank');
  // Without the page's DELETE the silence would be noticed after many seconds only.
  await until(async () => (await published()) === '0', { ms: 2000, what: 'the end of the session' });
  await page.close();
});
