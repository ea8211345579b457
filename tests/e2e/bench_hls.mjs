// How far behind live a browser is by HLS, and whether it stalls:  MEDLEY_BIN=... node tests/e2e/bench_hls.mjs [SECONDS]
import { cpus } from 'node:os';
import { launch } from './lib/chromium.mjs';
import { measureHls } from './lib/hls.mjs';
import { startMedley } from './lib/medley.mjs';

const seconds = Number(process.argv[2] ?? 300);
const [server, browser] = await Promise.all([startMedley(), launch()]);
console.log(
  `HLS in headless Chromium, ${cpus().length} cores (${cpus()[0].model}), ${seconds} s each, parts of 200 ms, GOP 2 s over RTMP`,
);
console.log('ms behind live    p50    p90    max   start  stalls  seeks  holes  pauses > 200 ms');
for (const publisher of ['RTMP', 'WHIP']) {
  const seen = await measureHls(server, browser, { publisher, seconds });
  const sorted = seen.behind.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  const cells = [
    ...[at(0.5), at(0.9), at(1)].map((ms) => ms.toFixed(0).padStart(5)),
    seen.start.toFixed(0).padStart(6),
    ...[seen.waiting, seen.seeking, seen.holes, seen.pauses].map(({ length }) => `${length}`.padStart(5)),
  ];
  console.log([publisher.padEnd(14), ...cells].join('  '));
  if (seen.waiting.length > 0) {
    console.log(`  stalls at ${seen.waiting.map((time) => time.toFixed(1)).join(', ')} s`);
  }
}
await browser.close();
await server.close();
