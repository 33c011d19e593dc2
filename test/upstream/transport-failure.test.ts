import { describe, expect, it } from 'vitest';
import { toTransportFailure } from '../../src/upstream/failure.ts';

const withCode = (code: string) => Object.assign(new Error('x'), { code });

describe('toTransportFailure', () => {
  it.each([
    [
      'an address that must not be connected to',
      withCode('ERR_ADDRESS_REFUSED'),
      'not-sent',
      'upstream_unreachable',
    ],
    [
      'a head that no parser takes',
      Object.assign(new Error('x'), { name: 'HTTPParserError' }),
      'invalid-reply',
      'upstream_invalid_response',
    ],
    [
      'a length that is another one',
      withCode('UND_ERR_RES_CONTENT_LENGTH_MISMATCH'),
      'invalid-reply',
      'upstream_invalid_response',
    ],
    [
      'informational replies without end',
      withCode('ERR_TOO_MANY_INFORMATIONAL'),
      'invalid-reply',
      'upstream_invalid_response',
    ],
    ['a connection that broke', withCode('UND_ERR_SOCKET'), 'uncertain', 'upstream_unreachable'],
  ])('names %s', (_, error, kind, code) => {
    expect(toTransportFailure(error)).toMatchObject({ kind, error: { code } });
  });

  it.each(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'])(
    'takes a request for sent when the connection stood over which it went: %s',
    (code) => {
      const kindOf = (syscall?: string) =>
        toTransportFailure(Object.assign(withCode(code), { syscall })).kind;
      expect([kindOf('read'), kindOf('write')]).toEqual(['uncertain', 'uncertain']);
      // many addresses, each of which was tried, have no system call of their own
      expect([kindOf('connect'), kindOf()]).toEqual(['not-sent', 'not-sent']);
      const ofFetch = new TypeError('fetch failed', {
        cause: Object.assign(withCode(code), { syscall: 'read' }),
      });
      expect(toTransportFailure(ofFetch).kind).toBe('uncertain');
    },
  );

  it.each(['EMFILE', 'ENFILE', 'ERR_EGRESS_NOT_LOADED'])(
    'blames no target when this process has no descriptors left, and gives up the connection of who is told so: %s',
    (code) => {
      const { error, kind, unhealthy } = toTransportFailure(withCode(code));
      expect([kind, unhealthy, error.code]).toEqual(['not-sent', false, 'overloaded']);
      expect(error).toMatchObject({ retryAfterSeconds: 1, headers: { connection: 'close' } });
    },
  );

  it('says of a request that nobody can tell about that it may cost something', () => {
    expect(toTransportFailure(withCode('UND_ERR_SOCKET')).mayCost).toBe(true);
    expect(toTransportFailure(withCode('UND_ERR_HEADERS_TIMEOUT')).mayCost).toBe(true);
    expect(toTransportFailure(withCode('ECONNREFUSED')).mayCost).toBe(false);
  });
});
