import { expect, it } from 'vitest';
import { refuseHost, toDeclaredLength } from '../../adapters/bridge/request-checks.ts';

it.each(['', ' ', 'a b', 'a,b', 'a@b', 'a:b', 'a:123456', '[::1'])(
  'a host %j is refused, whichever was valid before',
  (host) => {
    // the first of these runs before any valid one
    expect(refuseHost(host)?.code).toBe('malformed_request');
    expect(refuseHost('a.example:8080')).toBeUndefined();
    expect(refuseHost('a.example:8080')).toBeUndefined();
    expect(refuseHost(host)?.code).toBe('malformed_request');
  },
);

it.each([
  ['0', 0],
  ['007', 7],
  ['1024', 1_024],
  ['999999999999999', 999_999_999_999_999],
  ['1000000000000000', -1],
  ['', -1],
  ['-1', -1],
  ['+1', -1],
  ['1.5', -1],
  ['1e3', -1],
  ['0x10', -1],
  [' 1', -1],
  ['1 ', -1],
  ['1,1', -1],
  ['١', -1],
])('a content-length %j declares %d bytes', (text, bytes) => {
  expect(toDeclaredLength({ 'content-length': text })).toBe(bytes);
});

it('a content-length that is absent or there twice declares nothing', () => {
  expect(toDeclaredLength({})).toBe(-1);
  expect(toDeclaredLength({ 'content-length': ['1', '1'] })).toBe(-1);
});
