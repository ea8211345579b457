import { describe, expect, it } from 'vitest';
import { iceFragment, iceParameters, restartedAnswer } from './sdp';
import { ANSWER, OFFER } from './testing';

describe('iceParameters', () => {
  it('reads the first of each', () => {
    expect(iceParameters(OFFER)).toEqual({ ufrag: 'ours', pwd: 'our-password-of-24-letters' });
  });

  it.each(['', 'a=ice-ufrag:x\r\n', 'a=ice-pwd:x\n'])('wants both: %j', (sdp) => {
    expect(iceParameters(sdp)).toBeNull();
  });
});

describe('iceFragment', () => {
  it('has the shape of RFC 9725 §4.3.2', () => {
    expect(iceFragment(OFFER, ['candidate:1 1 udp 1 10.0.0.1 5000 typ host'], true)).toBe(
      [
        'a=ice-ufrag:ours',
        'a=ice-pwd:our-password-of-24-letters',
        'm=video 9 UDP/TLS/RTP/SAVPF 96',
        'a=mid:0',
        'a=candidate:1 1 udp 1 10.0.0.1 5000 typ host',
        'a=end-of-candidates',
        '',
      ].join('\r\n'),
    );
  });

  it('leaves the end open while gathering goes on', () => {
    expect(iceFragment(OFFER, [], false)).not.toContain('end-of-candidates');
  });

  it('refuses a description that has nothing to trickle', () => {
    expect(() => iceFragment('v=0\r\n', [], false)).toThrow();
  });
});

describe('restartedAnswer', () => {
  const fragment =
    'a=ice-ufrag:new\r\na=ice-pwd:new-password\r\na=candidate:2 1 tcp 1 127.0.0.1 8189 typ host\r\n';
  const restarted = restartedAnswer(ANSWER, fragment);

  it('renews name and password of every line', () => {
    expect(restarted.match(/a=ice-ufrag:new\r\n/g)).toHaveLength(2);
    expect(restarted.match(/a=ice-pwd:new-password\r\n/g)).toHaveLength(2);
    expect(restarted).not.toContain('theirs');
  });

  it('puts the new candidates in the first media section and drops the old', () => {
    const [, first, second] = restarted.split(/(?=m=)/);
    expect(first).toContain('a=candidate:2 1 tcp');
    expect(first).not.toContain('a=candidate:1 1 udp');
    expect(second).not.toContain('candidate');
  });

  it('changes nothing else', () => {
    const rest = (sdp: string): string[] =>
      sdp.split('\r\n').filter((line) => !/ice-(ufrag|pwd)|candidate/.test(line));
    expect(rest(restarted)).toEqual(rest(ANSWER));
  });

  it('refuses a fragment without an ICE name', () => {
    expect(() => restartedAnswer(ANSWER, 'a=mid:0\r\n')).toThrow();
  });
});
