// A reader who comes in the middle of a GOP sees a picture at once and stands at the live edge a second later.
// The bounds leave room for a busy machine; bench_join.mjs prints what it really takes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import { judge, measureJoins } from '../lib/join.mjs';
import { startMedley } from '../lib/medley.mjs';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startMedley(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

test('the judgement of a join', () => {
  const steady = Array.from({ length: 60 }, (_, at) => [1000 + at * 50, at]);
  const frames = [
    [1150, 2],
    [1160, 3],
    [1400, 8],
    ...steady.slice(20).map(([at, value]) => [at + 30, value]),
  ];
  assert.deepEqual(judge({ asked: 1050, answered: 1060, frames, steady }), {
    answer: 10,
    'first picture': 100,
    behind: 30,
    pause: 630,
  });
  assert.equal(judge({ asked: 0, answered: 1, frames: [], steady }).behind, Infinity);
});

for (const publisher of ['WHIP', 'RTMP']) {
  test(`joining a ${publisher} publisher's stream`, { timeout: 90_000 }, async () => {
    const figures = await measureJoins(server, browser, { publisher, joins: 7 });
    const middle = Object.fromEntries(
      Object.entries(figures).map(([name, numbers]) => [name, median(numbers)]),
    );
    console.log(
      `    ms: ${Object.entries(middle)
        .map(([name, value]) => `${name} ${value.toFixed(0)}`)
        .join(', ')}`,
    );
    assert.ok(middle['first picture'] < 400, `first picture after ${figures['first picture']}`);
    // Ahead is no fault: Chromium holds the older reader's pictures back for its sound, on a busy machine the more.
    assert.ok(middle.behind < 120, `behind by ${figures.behind}`);
    assert.ok(middle.pause < 300, `pauses of ${figures.pause}`);
    if (publisher === 'WHIP') {
      assert.ok(middle['glass to glass'] < 150, `glass to glass ${middle['glass to glass']}`);
    }
  });
}
