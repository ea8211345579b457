// What a stranger sees after `make run`.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import { inFolder } from '../lib/ffmpeg.mjs';
import { startDemo } from '../lib/medley.mjs';
import { becomes, open, picture } from '../lib/page.mjs';
import { run, until } from '../lib/process.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

test('the demo: one address, a two-way call, and the figures of the far end', { timeout: 120_000 }, () =>
  inFolder(async (folder) => {
    const clip = join(folder, 'patient.flv');
    await run(new URL('../../../scripts/make-clip', import.meta.url).pathname, [clip]);
    const { url, program } = await startDemo(['--clip', clip]);
    const { page, errors } = await open(browser, url, { locale: 'zh-CN' });
    await Promise.all([becomes(page, 'publish', 'live', 20_000), becomes(page, 'read', 'live', 20_000)]);
    const figure = async (name) =>
      Number.parseFloat(await page.locator(`[data-figure="${name}"] dd`).innerText());
    await until(async () => (await figure('fps')) > 10, { what: "a picture rate at the patient's end" });
    await until(async () => (await figure('sound')) > -60, { what: "sound at the patient's end" });
    const delay = await figure('delay');
    assert.ok(delay >= 0 && delay < 1000, `a delay of ${delay} ms`);
    assert.match(await page.locator('.demo').innerText(), /640×480/);
    console.log(`    the page: ${await picture(page, 'demo')}`);
    await page.setViewportSize({ width: 390, height: 844 });
    console.log(`    on a phone: ${await picture(page, 'demo-phone')}`);
    assert.deepEqual(errors, []);
    assert.ok((await program.stop()) < 2000, 'the demo ends within 2 s');
  }),
);
