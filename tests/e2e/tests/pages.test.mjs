// The two pages of every path, where MediaMTX has them, and what the browser's autoplay policy does to them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { becomes, open, picture } from '../lib/page.mjs';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startMedley(), launch({ autoplay: false })]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

test('/PATH/publish sends and /PATH/ shows, on both HTTP ports', async () => {
  for (const base of [server.webrtc, server.http]) {
    const sender = await open(browser, `${base}/ward/3/publish`, { locale: 'en' });
    await sender.page.locator('#start').click();
    await becomes(sender.page, 'publish', 'live');
    const watcher = await open(browser, `${base}/ward/3/`, { locale: 'en' });
    await becomes(watcher.page, 'read', 'live');
    assert.match(await watcher.page.locator('[data-session="read"]').innerText(), /Playing/);
    console.log(
      `    the pages: ${await picture(sender.page, 'publish')} ${await picture(watcher.page, 'watch')}`,
    );
    await sender.page.locator('#stop').click();
    assert.deepEqual([...sender.errors, ...watcher.errors], []);
    await Promise.all([sender.page.close(), watcher.page.close()]);
  }
});

test('where sound needs a touch, the picture runs without it and one click brings it', async () => {
  const patient = ffmpeg.publish(await ffmpeg.clip(), `${server.rtmp}/patientStream`);
  const { page } = await open(browser, `${server.http}/patientStream/`, { locale: 'zh-CN' });
  await becomes(page, 'read', 'live');
  const button = page.locator('.unmute');
  await button.waitFor();
  const state = () =>
    page.locator('#remote').evaluate((video) => ({ muted: video.muted, paused: video.paused }));
  assert.deepEqual(await state(), { muted: true, paused: false });
  await button.click();
  assert.deepEqual(await state(), { muted: false, paused: false });
  assert.equal(await button.count(), 0);
  await page.close();
  await patient.stop();
});

test('the page loads nothing from elsewhere', async () => {
  const { page } = await browser.page();
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).origin));
  await page.goto(`${server.http}/`);
  await page.waitForTimeout(500);
  assert.deepEqual([...new Set(asked)], [server.http]);
  await page.close();
});
