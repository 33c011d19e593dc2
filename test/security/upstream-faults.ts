import type { Fault } from 'headgate/testing';

/** Ways to repeat a credential, as providers and proxies are known to. */
const repetitions: Readonly<Record<string, (credential: string) => string>> = {
  whole: (credential) => `Incorrect API key provided: ${credential}. Check it.`,
  header: (credential) => `The header "authorization: Bearer ${credential}" was not accepted.`,
  shortened: (credential) =>
    `Incorrect API key provided: ${credential.slice(0, 24)}*****${credential.slice(-4)}.`,
  'in a URL': (credential) => `GET /v1/x?key=${encodeURIComponent(credential)} failed.`,
  'in base64': (credential) => `Authorization: Basic ${Buffer.from(`api:${credential}`).toString('base64')}`,
  'in hex': (credential) => `key ${Buffer.from(credential).toString('hex')} is unknown`,
};

const statuses = [400, 401, 403, 404, 409, 422, 500];
// a provider that is busy is left alone for a while, so these come last
const busyStatuses = [503, 529, 429];

/** Errors of a provider that repeat the credential of the request. */
export const echoingFaults: readonly (readonly [string, (credential: string) => Fault])[] = [
  ...Object.entries(repetitions).map(
    ([name, repeat]) =>
      [
        `400 ${name}`,
        (credential: string): Fault => ({ kind: 'status', status: 400, message: repeat(credential) }),
      ] as const,
  ),
  ...statuses.map(inEveryField),
  [
    '400 in header fields',
    (credential) => ({
      kind: 'status',
      status: 400,
      message: 'No.',
      headers: {
        'x-request-id': credential,
        'request-id': credential,
        'www-authenticate': `Bearer realm="${encodeURIComponent(credential)}"`,
        'set-cookie': `key=${encodeURIComponent(credential)}`,
        'openai-organization': credential,
      },
    }),
  ],
  [
    'redirect',
    (credential) => ({
      kind: 'redirect',
      status: 307,
      location: `http://127.0.0.1:1/?key=${encodeURIComponent(credential)}`,
    }),
  ],
  ...Object.entries(repetitions).map(
    ([name, repeat]) =>
      [
        `stream error ${name}`,
        (credential: string): Fault => ({
          kind: 'stream-error',
          afterChunks: 1,
          message: repeat(credential),
        }),
      ] as const,
  ),
  [
    'stream error at once',
    (credential) => ({ kind: 'stream-error', afterChunks: 0, message: `No: ${credential}` }),
  ],
  ...busyStatuses.map(inEveryField),
];

function inEveryField(status: number): readonly [string, (credential: string) => Fault] {
  return [
    `${status} in every field`,
    (credential) => ({
      kind: 'status',
      status,
      message: `No: ${credential}`,
      type: credential,
      code: credential,
    }),
  ];
}

/** Replies that break. */
export const brokenReplies: readonly (readonly [string, Fault])[] = [
  ['reset', { kind: 'cut', how: 'reset', afterChunks: 1 }],
  ['cut at once', { kind: 'cut', how: 'reset', afterChunks: 0 }],
  ['not JSON', { kind: 'truncated-json' }],
  ['malformed chunk', { kind: 'malformed-chunk', afterChunks: 1 }],
  ['wrong length', { kind: 'wrong-content-length', by: 10 }],
  ['compressed', { kind: 'encoded', encoding: 'gzip' }],
  ['web page', { kind: 'status', status: 502, body: 'html' }],
  ['empty error', { kind: 'status', status: 400, body: 'empty' }],
  ['no connection', { kind: 'connection', at: 'request', how: 'reset' }],
  ['garbage', { kind: 'broken-head', how: 'garbage-status' }],
  ['two lengths', { kind: 'broken-head', how: 'two-content-lengths' }],
  ['huge head', { kind: 'huge-headers', bytes: 40_000 }],
  ['huge event', { kind: 'giant-line', bytes: 2_000_000 }],
];
