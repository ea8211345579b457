import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** Debian's Chromium; nothing is downloaded. */
const EXECUTABLE = process.env.MEDLEY_CHROMIUM ?? '/usr/bin/chromium';

/**
 * No background traffic: it would be refused on a closed network, many times a second. A fake camera and tone take the
 * place of devices; loopback candidates are needed because both ends are one machine.
 */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--allow-loopback-in-peer-connection',
  // A page that a test makes up comes from no network, and may ask nothing of another port of this machine else.
  '--disable-features=LocalNetworkAccessChecks',
];

const AUTOPLAY = '--autoplay-policy=no-user-gesture-required';

/**
 * Starts a browser with an empty profile.
 *
 * @param {{ autoplay?: boolean, flags?: string[], scripts?: boolean }} [options] `autoplay: false` keeps the policy
 *   that people meet; `scripts: true` lets a measuring script into the product's page past its content policy
 */
export async function launch({ autoplay = true, flags = [], scripts = false } = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'medley-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: EXECUTABLE,
    headless: true,
    args: [...FLAGS, ...(autoplay ? [AUTOPLAY] : []), ...flags],
    // Playwright's own defaults mute the browser, which would leave no sound energy to measure.
    ignoreDefaultArgs: ['--mute-audio'],
    bypassCSP: scripts,
    locale: 'zh-CN',
    viewport: { width: 1280, height: 720 },
    permissions: ['camera', 'microphone'],
  });
  return {
    context: browser,
    /** A page whose errors end up in `errors`, for tests that want none. */
    async page() {
      const page = await browser.newPage();
      const errors = [];
      page.on('pageerror', (error) => errors.push(error.message));
      return { page, errors };
    },
    async close() {
      await browser.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
