import { clip, publish } from './ffmpeg.mjs';
import { bench } from './page.mjs';
import { until } from './process.mjs';

/** Joins at this many moments of a GOP of 2 s, one after the other. */
const STEP_MS = 137;

/** In the page: one join beside a reader that has been there for long. */
async function join({ url, followMs }) {
  const { whep, kept } = globalThis.medleyTest;
  const reader = await whep(url);
  await new Promise((resolve) => setTimeout(resolve, followMs));
  reader.pc.close();
  await fetch(reader.location, { method: 'DELETE' });
  reader.video.remove();
  const readable = ({ value }) => value !== null;
  return {
    asked: reader.asked,
    answered: reader.answered,
    frames: reader.frames.filter(readable).map(({ at, value }) => [at, value]),
    steady: kept.steady.frames
      .filter(({ at, value }) => value !== null && at > reader.asked - 500)
      .map(({ at, value }) => [at, value]),
  };
}

/**
 * What one join was like, from what was painted when: `[at, value]` in ms and numbers of pictures.
 *
 * @returns `answer` and `first picture` in ms after the POST; `behind`: how much later than with the steady reader the
 *   same picture was painted from one second after the POST on, the middle of all; `pause`: the longest time between
 *   two pictures in the first three seconds
 */
export function judge({ asked, answered, frames, steady }) {
  const painted = new Map(steady.map(([at, value]) => [value, at]));
  const later = frames
    .filter(([at, value]) => at > asked + 1000 && painted.has(value))
    .map(([at, value]) => at - painted.get(value))
    .sort((a, b) => a - b);
  const early = frames.filter(([at]) => at < asked + 3000).map(([at]) => at);
  const pauses = early.map((at, index) => (index === 0 ? 0 : at - early[index - 1]));
  return {
    answer: answered - asked,
    'first picture': frames.length > 0 ? frames[0][0] - asked : Infinity,
    behind: later.length > 0 ? later[Math.floor(later.length / 2)] : Infinity,
    pause: Math.max(...pauses),
  };
}

/**
 * Joins a running stream in a browser again and again.
 *
 * @param {{ publisher: 'WHIP' | 'RTMP', joins?: number, followMs?: number }} options
 * @returns lists of figures by name; see {@link judge}, and for WHIP `glass to glass`
 */
export async function measureJoins(server, browser, { publisher, joins = 10, followMs = 3200 }) {
  const path = `join${publisher}`;
  const url = `${server.http}/${path}/whep`;
  let stop;
  if (publisher === 'WHIP') {
    const { page } = await bench(browser, server);
    await page.evaluate(async (target) => {
      const { clockStream, whip, kept } = globalThis.medleyTest;
      kept.sender = await whip(target, await clockStream());
    }, `${server.http}/${path}/whip`);
    stop = () => page.close();
  } else {
    const program = publish(await clip({ seconds: 180 }), `${server.rtmp}/${path}`);
    stop = () => program.stop();
  }
  const { page } = await bench(browser, server);
  await until(
    () =>
      page.evaluate(async (target) => {
        const { whep, kept } = globalThis.medleyTest;
        kept.steady = await whep(target).catch(() => null);
        return kept.steady !== null;
      }, url),
    { every: 300, what: 'the stream' },
  );
  await page.waitForTimeout(4000);
  const figures = { answer: [], 'first picture': [], behind: [], pause: [] };
  for (let at = 0; at < joins; at += 1) {
    await page.waitForTimeout((STEP_MS * at) % 2000);
    const judged = judge(await page.evaluate(join, { url, followMs }));
    for (const [name, value] of Object.entries(judged)) figures[name].push(value);
  }
  if (publisher === 'WHIP') {
    figures['glass to glass'] = await page.evaluate(() =>
      globalThis.medleyTest.kept.steady.frames
        .filter(({ value }) => value !== null)
        .slice(-600)
        .map(({ at, value }) => (Math.floor(at) - value) % 2 ** 24),
    );
  }
  await page.close();
  await stop();
  return figures;
}
