// WHIP and WHEP as RFC 9725 and the WHEP draft have them, seen from outside.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import { startMedley } from '../lib/medley.mjs';
import { bench } from '../lib/page.mjs';
import { until } from '../lib/process.mjs';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startMedley(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const sdp = { 'Content-Type': 'application/sdp' };

test('refusals have the status that a client can act on', async () => {
  const ask = (path, init) => fetch(`${server.http}/${path}`, init).then(({ status }) => status);
  assert.equal(
    await ask('nobody/whep', { method: 'POST', headers: sdp, body: 'v=0\r\n' }).then(
      (status) => status >= 400 && status < 500,
    ),
    true,
  );
  assert.equal(
    await ask('p/whip', { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: 'x' }),
    415,
  );
  assert.equal(await ask('p/whip', { method: 'GET' }), 405);
  assert.equal(await ask('p/whip/unknown', { method: 'DELETE' }), 404);
  assert.ok([200, 204].includes(await ask('p/whip', { method: 'OPTIONS' })));
});

test('a session is made, restarted and deleted; the answer picks H.264 and Opus', async () => {
  const { page } = await bench(browser, server);
  const made = await page.evaluate(async (base) => {
    const { clockStream, whip, kept } = globalThis.medleyTest;
    kept.sender = await whip(`${base}/p/whip`, await clockStream());
    return { answer: kept.sender.answer, location: kept.sender.location, etag: kept.sender.etag };
  }, server.http);
  assert.match(made.answer, /a=rtpmap:\d+ H264\/90000/);
  assert.match(made.answer, /packetization-mode=1/);
  assert.match(made.answer, /a=rtpmap:\d+ opus\/48000\/2/);
  assert.doesNotMatch(made.answer, /VP8|VP9|AV1/);
  assert.match(made.answer, /a=ice-lite/);
  assert.ok(made.etag, 'an ETag names the ICE session');
  await until(() =>
    page.evaluate(() => globalThis.medleyTest.kept.sender.pc.connectionState === 'connected'),
  );

  const restarted = await page.evaluate(async () => {
    const { pc, location } = globalThis.medleyTest.kept.sender;
    const offer = await pc.createOffer({ iceRestart: true });
    await pc.setLocalDescription(offer);
    const line = (name) => new RegExp(`a=${name}:.*`).exec(offer.sdp)[0];
    const response = await fetch(location, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '"*"' },
      body: [line('ice-ufrag'), line('ice-pwd'), /m=.*/.exec(offer.sdp)[0], line('mid'), ''].join('\r\n'),
    });
    return { status: response.status, body: await response.text(), etag: response.headers.get('ETag') };
  });
  assert.equal(restarted.status, 200);
  assert.match(restarted.body, /a=ice-ufrag:/);
  assert.notEqual(restarted.etag, made.etag);

  const remove = () => fetch(made.location, { method: 'DELETE' }).then(({ status }) => status);
  assert.equal(await remove(), 200);
  assert.equal(await remove(), 404);
  await page.close();
});
