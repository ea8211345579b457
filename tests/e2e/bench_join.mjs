// How fast a browser joins, and how far behind it stays:  MEDLEY_BIN=... node tests/e2e/bench_join.mjs [JOINS]
import { measureJoins } from './lib/join.mjs';
import { launch } from './lib/chromium.mjs';
import { startMedley } from './lib/medley.mjs';
import { cpus } from 'node:os';

const joins = Number(process.argv[2] ?? 15);
const [server, browser] = await Promise.all([startMedley(), launch()]);
console.log(
  `headless Chromium, ${cpus().length} cores (${cpus()[0].model}), ${joins} joins each, GOP 2 s over RTMP`,
);
console.log('ms                      p50    p90    max');
for (const publisher of ['WHIP', 'RTMP']) {
  const figures = await measureJoins(server, browser, { publisher, joins });
  for (const [name, numbers] of Object.entries(figures)) {
    const sorted = numbers.toSorted((a, b) => a - b);
    const at = (share) =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(0) ?? '-';
    console.log(
      `${`${publisher}: ${name}`.padEnd(22)} ${at(0.5).padStart(5)}  ${at(0.9).padStart(5)}  ${at(1).padStart(5)}`,
    );
  }
}
await browser.close();
await server.close();
