import { spawn } from 'node:child_process';

const running = new Set();
// Nothing that a test started outlives it, however it ends.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Starts a program and keeps the end of what it prints.
 *
 * @returns `{ child, output(), ended, stopped(), stop(signal, ms) }`; `ended` gives `{ code, signal }`
 */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  running.add(child);
  let text = '';
  let stopped = false;
  const watchers = new Set();
  const keep = (chunk) => {
    text = (text + chunk).slice(-32_000_000);
    for (const watcher of watchers) watcher();
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  child.stdin.on('error', () => undefined);
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  ended.catch(() => undefined);
  return {
    child,
    ended,
    output: () => text,
    /** Whether it was asked to end. */
    stopped: () => stopped,
    /** Asks it to end and waits; kills it after `ms`. Gives the ms that it took. */
    async stop(signal = 'SIGTERM', ms = 5000) {
      const asked = performance.now();
      stopped = true;
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), ms);
      await ended;
      clearTimeout(timer);
      return performance.now() - asked;
    },
    /** Waits until it printed something that matches. */
    async printed(pattern, ms = 10_000) {
      const deadline = performance.now() + ms;
      while (!pattern.test(text)) {
        const left = deadline - performance.now();
        if (left <= 0) throw new Error(`nothing like ${pattern} in:\n${text.slice(-3000)}`);
        await new Promise((resolve) => {
          const timer = setTimeout(done, left);
          function done() {
            clearTimeout(timer);
            watchers.delete(done);
            resolve();
          }
          watchers.add(done);
        });
      }
      return pattern.exec(text);
    },
  };
}

/** Runs a program to its end and gives what it printed; throws with it when it fails. */
export async function run(command, args, { ms = 60_000, ...options } = {}) {
  const program = start(command, args, options);
  const timer = setTimeout(() => program.child.kill('SIGKILL'), ms);
  const { code, signal } = await program.ended;
  clearTimeout(timer);
  if (code !== 0) {
    throw new Error(`${command} ended with ${code ?? signal}:\n${program.output().slice(-4000)}`);
  }
  return program.output();
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until the answer is true; gives the ms that it took. */
export async function until(question, { ms = 10_000, every = 50, what = 'it' } = {}) {
  const begun = performance.now();
  for (;;) {
    const answer = await question();
    if (answer) return performance.now() - begun;
    if (performance.now() - begun > ms) throw new Error(`${what} did not come about within ${ms} ms`);
    await sleep(every);
  }
}
