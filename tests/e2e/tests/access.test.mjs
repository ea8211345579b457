// Who is let in, and what the page says to the others.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import * as ffmpeg from '../lib/ffmpeg.mjs';
import { startMedley } from '../lib/medley.mjs';
import { becomes, open, picture } from '../lib/page.mjs';

const PASSWORD = 'correct horse';

let server;
let browser;
before(async () => {
  const users = [
    { name: 'doctor', secret: PASSWORD, publish: ['doctorStream'], read: ['patientStream'] },
    { name: 'nurse', secret: PASSWORD, publish: [], read: ['other'] },
  ];
  [server, browser] = await Promise.all([startMedley({ users }), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const post = (path, headers = {}) =>
  fetch(`${server.http}/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp', ...headers },
    body: 'v=0\r\n',
  });
const basic = (user, password) => ({ Authorization: `Basic ${btoa(`${user}:${password}`)}` });

test('nothing and nonsense is asked to sign in, the wrong person is refused', async () => {
  for (const path of ['doctorStream/whip', 'patientStream/whep']) {
    assert.equal((await post(path)).status, 401, path);
    assert.equal((await post(path, { Authorization: 'Bearer nonsense' })).status, 401, path);
    assert.equal((await post(path, basic('doctor', 'wrong'))).status, 401, path);
    assert.ok([401, 403].includes((await post(path, basic('nurse', PASSWORD))).status), path);
  }
});

test('the page asks to sign in, in words, and goes on by itself afterwards', async () => {
  const { page, errors } = await open(browser, `${server.http}/`, { locale: 'zh-CN' });
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.locator('#start').click();
  await Promise.all([becomes(page, 'publish', 'refused'), becomes(page, 'read', 'refused')]);
  assert.match(await page.locator('[data-session="publish"]').innerText(), /需要登录/);
  console.log(`    the page: ${await picture(page, 'sign-in')}`);
  await page.locator('input[autocomplete=username]').fill('doctor');
  await page.locator('input[type=password]').fill(PASSWORD);
  await page.locator('.signin button').click();
  await becomes(page, 'publish', 'live');
  assert.equal(await page.locator('.signin').count(), 0);
  assert.ok(
    asked.every((url) => !url.includes('correct') && !url.includes('pass=')),
    'no credentials in an address',
  );
  assert.deepEqual(errors, []);
  await page.close();
});

test('credentials after the # of the address are used and not sent in it', async () => {
  const { page } = await open(browser, `${server.http}/#user=doctor&pass=${encodeURIComponent(PASSWORD)}`);
  await page.locator('#start').click();
  await becomes(page, 'publish', 'live');
  await page.close();
  assert.ok(!server.log().includes(PASSWORD), 'the password is in no log line');
});

test('RTMP: credentials in the query, and an error before the connection closes without them', async () => {
  const file = await ffmpeg.clip({ seconds: 20 });
  const refused = ffmpeg.publish(file, `${server.rtmp}/doctorStream`);
  const { code } = await refused.ended;
  assert.notEqual(code, 0);
  const query = `user=doctor&pass=${encodeURIComponent(PASSWORD)}`;
  const accepted = ffmpeg.publish(file, `${server.rtmp}/doctorStream?${query}`);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  assert.equal(accepted.child.exitCode, null, accepted.output());
  await accepted.stop();
});
