import { describe, expect, it } from 'vitest';
import { authorization, credentialsFromFragment } from './credentials';

describe('credentials', () => {
  it.each([
    ['#token=abc.def', 'Bearer abc.def'],
    ['#user=doctor&pass=se%26cret', `Basic ${btoa('doctor:se&cret')}`],
    ['#user=doctor', `Basic ${btoa('doctor:')}`],
    ['#token=t&user=u&pass=p', 'Bearer t'],
  ])('%s becomes a header', (hash, header) => {
    const credentials = credentialsFromFragment(hash);
    expect(credentials && authorization(credentials)).toBe(header);
  });

  it.each(['', '#', '#other=1', '#token='])('%j shows nothing', (hash) => {
    expect(credentialsFromFragment(hash)).toBeNull();
  });

  it('encodes names outside ASCII as UTF-8 (RFC 7617 §2.1)', () => {
    const header = authorization({ kind: 'password', user: '张医生', password: '密' });
    const bytes = Uint8Array.from(atob(header.slice('Basic '.length)), (letter) => letter.charCodeAt(0));
    expect(new TextDecoder().decode(bytes)).toBe('张医生:密');
  });
});
