import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './process.mjs';

const INPAGE = new URL('./inpage.js', import.meta.url).pathname;

/** A blank page of the server's own origin with the measuring script in it, and none of the product's code. */
export async function bench(browser, server) {
  const { page, errors } = await browser.page();
  await page.addInitScript({ path: INPAGE });
  await page.route('**/blank', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><body></body>' }),
  );
  await page.goto(`${server.http}/blank`);
  return { page, errors };
}

/** The product's page under `url`, with the measuring script beside it. */
export async function open(browser, url, { locale } = {}) {
  const { page, errors } = await browser.page();
  await page.addInitScript({ path: INPAGE });
  if (locale) {
    await page.addInitScript((language) => {
      Object.defineProperty(globalThis.navigator, 'languages', { get: () => [language] });
    }, locale);
  }
  await page.goto(url);
  return { page, errors };
}

/** The state that the product's page tells of one of its sessions: `read` or `publish`. */
export const phase = (page, session) =>
  page.locator(`[data-session="${session}"]`).getAttribute('data-phase');

/** Waits until the page tells that a session is in a state; gives the ms that it took. */
export const becomes = (page, session, wanted, ms = 15_000) =>
  until(async () => (await phase(page, session)) === wanted, { ms, what: `${session} ${wanted}` }).catch(
    async (error) => {
      throw new Error(`${error.message}; it says: ${await page.locator('.state').allInnerTexts()}`);
    },
  );

let folder = null;
/** Keeps a picture of a page, for people to look at; prints where. */
export async function picture(page, name) {
  folder ??= process.env.MEDLEY_SHOTS ?? (await mkdtemp(join(tmpdir(), 'medley-shots-')));
  const file = join(folder, `${name}.png`);
  await page.screenshot({ path: file });
  return file;
}
