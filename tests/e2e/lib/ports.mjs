import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

function tcpPort(port = 0) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const { port: got } = server.address();
      server.close(() => resolve(got));
    });
  });
}

function udpFree(port) {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}

/** What was given away and may not be in use yet: the operating system would give it again. */
const given = new Set();

/** A loopback port number that is free for TCP and for UDP. */
export async function freePort() {
  for (let tries = 0; tries < 50; tries += 1) {
    const port = await tcpPort();
    if (!given.has(port) && (await udpFree(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error('no loopback port is free for both TCP and UDP');
}
