import { describe, expect, it } from 'vitest';
import { endpointUrl, isStreamPath, pictureSize, placeOf } from './place';

describe('placeOf', () => {
  it.each([
    ['/', '', { page: 'doctor', publish: 'doctorStream', read: 'patientStream', auto: false }],
    [
      '/index.html',
      '?auto=1',
      { page: 'doctor', publish: 'doctorStream', read: 'patientStream', auto: true },
    ],
    ['/', '?publish=a&read=ward/3', { page: 'doctor', publish: 'a', read: 'ward/3', auto: false }],
    [
      '/',
      '?publish=../x&read=a%20b',
      { page: 'doctor', publish: 'doctorStream', read: 'patientStream', auto: false },
    ],
    ['/doctorStream/', '', { page: 'watch', path: 'doctorStream' }],
    ['/doctorStream', '', { page: 'watch', path: 'doctorStream' }],
    ['/ward/3/publish', '', { page: 'publish', path: 'ward/3' }],
    ['/publish', '', { page: 'watch', path: 'publish' }],
    ['/a//b/', '', { page: 'doctor', publish: 'doctorStream', read: 'patientStream', auto: false }],
  ])('%s%s', (pathname, search, place) => {
    expect(placeOf(pathname, search)).toEqual(place);
  });
});

describe('isStreamPath', () => {
  it.each(['a', 'doctorStream_aac', 'ward/3/bed-2', 'a.b~c', 'a'.repeat(255)])('takes %s', (path) => {
    expect(isStreamPath(path)).toBe(true);
  });
  it.each(['', '/a', 'a/', 'a//b', '.', 'a/../b', 'a b', 'a%2e', '张', 'a?b', 'a'.repeat(256)])(
    'refuses %s',
    (path) => {
      expect(isStreamPath(path)).toBe(false);
    },
  );
});

it('names endpoints as MediaMTX does', () => {
  expect(endpointUrl('ward/3', 'whep')).toBe('/ward/3/whep');
});

it.each([
  ['', 640, 480],
  ['?size=960x540', 960, 540],
  ['?size=9x5', 640, 480],
  ['?size=99999x1', 640, 480],
])('picture size of %j', (search, width, height) => {
  expect(pictureSize(search)).toEqual({ width, height });
});
