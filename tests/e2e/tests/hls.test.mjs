// The page that watches by HLS: where MediaMTX has it, and on the one port that a clinic may have open.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { becomes, open, picture } from '../lib/page.mjs';

const USERS = [
  { name: 'any', networks: ['127.0.0.0/8'], publish: ['*'], read: ['ward/*'] },
  { name: 'nurse', secret: 'open sesame', read: ['private'] },
];

let server;
let browser;
let publishers;
before(async () => {
  [server, browser] = await Promise.all([startMedley({ users: USERS }), launch()]);
  const clip = await ffmpeg.clip();
  publishers = ['ward/3', 'private'].map((path) => ffmpeg.publish(clip, `${server.rtmp}/${path}`));
});
after(async () => {
  await Promise.all((publishers ?? []).map((publisher) => publisher.stop()));
  await browser?.close();
  await server?.close();
});

/** How far the page says that it is behind live, in seconds. */
const behind = async (page) => parseFloat(await page.locator('.figures').innerText());

test('/PATH/ plays by HLS where HLS is, and /PATH/?hls on every port', async () => {
  for (const url of [`${server.hls}/ward/3/`, `${server.http}/ward/3/?hls`]) {
    const { page, errors } = await open(browser, url, { locale: 'en' });
    await becomes(page, 'read', 'live');
    await page.waitForTimeout(3000);
    const late = await behind(page);
    // Who plays segments instead of parts stands three of them behind, which are six seconds of this publisher.
    assert.ok(late < 3, `${late} s behind live`);
    const size = await page.locator('#remote').evaluate((video) => [video.videoWidth, video.muted]);
    assert.ok(size[0] > 0 && !size[1], 'it has a picture and its sound');
    console.log(`    ${late} s behind live: ${await picture(page, 'hls')}`);
    await page.locator('#stop').click();
    await becomes(page, 'read', 'idle');
    assert.deepEqual(errors, []);
    await page.close();
  }
});

test('who has to sign in does so once, and no address tells the password', async () => {
  const { page } = await open(browser, `${server.hls}/private/`, { locale: 'en' });
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await becomes(page, 'read', 'refused');
  await page.getByLabel('User').fill('nurse');
  await page.getByLabel('Password').fill('open sesame');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await becomes(page, 'read', 'live');
  assert.ok(asked.length > 3 && !asked.some((url) => /sesame/.test(url)));
  await page.close();
});

test('the page goes on by itself when the publisher comes back', async () => {
  const { page } = await open(browser, `${server.hls}/ward/4/`, { locale: 'en' });
  await becomes(page, 'read', 'waiting');
  const clip = await ffmpeg.clip();
  const first = ffmpeg.publish(clip, `${server.rtmp}/ward/4`);
  await becomes(page, 'read', 'live');
  await first.stop();
  await page.waitForTimeout(2000);
  const second = ffmpeg.publish(clip, `${server.rtmp}/ward/4`);
  const time = () => page.locator('#remote').evaluate((video) => video.currentTime);
  const before = await time();
  await page.waitForTimeout(12_000);
  await becomes(page, 'read', 'live');
  assert.notEqual(await time(), before);
  await second.stop();
  await page.close();
});
