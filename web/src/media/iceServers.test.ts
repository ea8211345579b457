import { describe, expect, it } from 'vitest';
import { iceServers } from './iceServers';

describe('iceServers', () => {
  it('reads the example of RFC 9725 §4.6', () => {
    const link =
      '<stun:stun.example.net>; rel="ice-server", ' +
      '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="myPassword"; ' +
      'credential-type="password"';
    expect(iceServers(link)).toEqual([
      { urls: 'stun:stun.example.net' },
      { urls: 'turn:turn.example.net?transport=udp', username: 'user', credential: 'myPassword' },
    ]);
  });

  it('takes bare values, escaped quotes, commas in quotes and other cases of names', () => {
    expect(iceServers('<turns:a:443>;Rel=ice-server;username="a,\\"b\\"";credential=c')).toEqual([
      { urls: 'turns:a:443', username: 'a,"b"', credential: 'c' },
    ]);
  });

  it.each([null, '', '<https://x>; rel="ice-server"', '<stun:x>; rel="next"', '<stun:x>', 'stun:x'])(
    'passes over %j',
    (link) => {
      expect(iceServers(link)).toEqual([]);
    },
  );
});
