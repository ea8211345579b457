import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.mjs';
import { start, until } from './process.mjs';

/** The binary under test. */
export const BINARY = process.env.MEDLEY_BIN ?? '';
if (!existsSync(BINARY)) {
  throw new Error(
    'MEDLEY_BIN names no file: build with `cargo build --release` and set it to target/release/medley',
  );
}

const ANYBODY = [{ name: 'any', networks: ['127.0.0.0/8'], publish: ['*'], read: ['*'], api: true }];

/** What a shell or the tests' own settings hold is not the server's: a known name would change it. */
const environment = Object.fromEntries(
  Object.entries({ ...process.env, NO_COLOR: '1' }).filter(([name]) => !name.startsWith('MEDLEY_')),
);

const toml = (value) => JSON.stringify(value);
const table = (fields) =>
  Object.entries(fields)
    .map(([key, value]) => `${key} = ${toml(value)}\n`)
    .join('');

/**
 * Starts a server on free loopback ports.
 *
 * @param {{ users?: object[], listen?: object, extra?: string }} [options] users of `[[auth.user]]` (`secret` becomes a
 *   password file), sockets of `[listen]` that differ, and more TOML for the end of the file
 */
export async function startMedley({ users = ANYBODY, listen = {}, extra = '' } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'medley-e2e-'));
  const ports = {
    http: await freePort(),
    webrtc: await freePort(),
    ice: await freePort(),
    rtmp: await freePort(),
    rtsp: await freePort(),
    rtp: await freePort(),
    rtcp: await freePort(),
    hls: await freePort(),
  };
  const sockets = Object.fromEntries(
    Object.entries(ports).map(([name, port]) => [name, `127.0.0.1:${port}`]),
  );
  const written = await Promise.all(
    users.map(async ({ secret, ...user }) => {
      if (secret === undefined) return user;
      const file = join(folder, `${user.name}.secret`);
      await writeFile(file, `${secret}\n`, { mode: 0o600 });
      return { ...user, password_file: file };
    }),
  );
  const config = [
    table({ data_dir: join(folder, 'data'), public_hosts: ['127.0.0.1'] }),
    `[listen]\n${table({ ...sockets, rtmps: '', ...listen })}`,
    ...written.map((user) => `[[auth.user]]\n${table(user)}`),
    extra,
  ].join('\n');
  const file = join(folder, 'medley.toml');
  await writeFile(file, config);

  const server = {
    http: `http://127.0.0.1:${ports.http}`,
    webrtc: `http://127.0.0.1:${ports.webrtc}`,
    rtmp: `rtmp://127.0.0.1:${ports.rtmp}`,
    rtsp: `rtsp://127.0.0.1:${ports.rtsp}`,
    hls: `http://127.0.0.1:${ports.hls}`,
    ports,
    program: null,
    /** Starts it, or starts it again on the same ports; gives the ms until it answered. */
    async up() {
      this.program = start(BINARY, ['serve', '--config', file], { env: environment });
      let ended = null;
      const { program } = this;
      program.ended.then((how) => {
        ended = how;
        // A test that finds nobody there would not say why.
        if (!program.stopped()) {
          console.error(`medley ended with ${JSON.stringify(how)}:\n${program.output().slice(-4000)}`);
        }
      });
      return until(
        async () => {
          if (ended) throw new Error(`medley ended with ${JSON.stringify(ended)}:\n${this.program.output()}`);
          return (await fetch(`${this.http}/healthz`).catch(() => null))?.ok;
        },
        { every: 10, what: 'an answer of /healthz' },
      );
    },
    /** Ends it in good order; gives the ms that it took. */
    down: (signal = 'SIGTERM') => server.program.stop(signal),
    log: () => server.program.output(),
    async close() {
      await server.program.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await server.up();
  return server;
}

/**
 * Starts the demo.
 *
 * @param {string[]} args beside the listening addresses
 * @returns the address that it prints for the doctor, and the program
 */
export async function startDemo(args) {
  const program = start(BINARY, ['demo', ...args], { env: environment });
  const [url] = await program.printed(/http:\/\/\S+/, 15_000);
  return { url: url.replace(/[.,)]$/, ''), program };
}
