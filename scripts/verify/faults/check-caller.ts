import type { GatewayErrorCode } from '../../../src/errors.ts';
import type { Got } from './client.ts';
import type { Dialect, WireError } from './dialects.ts';
import type { CallerGets } from './table/row.ts';

/** What a whole answer of each target says. */
export interface Texts {
  readonly first: string;
  readonly second: string;
}

/** Where OpenAI has a code of its own for the same. */
const openAiCodes: Partial<Record<GatewayErrorCode, string>> = { rate_limited: 'rate_limit_exceeded' };

/** What is wrong with what the caller got; nothing when it is as expected. */
export function checkCaller(
  got: Got,
  stream: boolean,
  dialect: Dialect,
  wants: CallerGets,
  texts: Texts,
): string[] {
  const findings: string[] = [];
  const check = (holds: boolean, otherwise: string): void => {
    if (!holds) findings.push(otherwise);
  };
  const shown = () => got.body.toString().slice(0, 300);
  check(got.headers['x-request-id'] !== undefined, 'the reply has no x-request-id');
  check(!/<html|nginx|10\.1\.2\.3/i.test(got.body.toString()), 'HTML of the upstream reached the caller');
  switch (wants.what) {
    case 'answer':
    case 'rescued answer': {
      check(got.status === 200, `status ${got.status}, not 200: ${shown()}`);
      check(got.isEnded, 'the answer was broken off');
      if (got.status !== 200) break;
      const expected = wants.what === 'answer' ? texts[wants.from] : texts.second;
      if (stream) {
        const read = dialect.readStream(got.body);
        check(read.isWhole, 'the stream has no terminator');
        check(read.errors.length === 0, `the stream has an error: ${JSON.stringify(read.errors[0])}`);
        check(read.strange.length === 0, `a chunk is not of the protocol: ${read.strange[0]}`);
        check(read.text === expected, `the text is ${JSON.stringify(read.text)}`);
      } else {
        check(textOf(got, dialect) === expected, `the answer is ${shown()}`);
      }
      break;
    }
    case 'error': {
      const status = dialect.toStatus(wants.status);
      check(got.status === status, `status ${got.status}, not ${status}: ${shown()}`);
      check(got.isEnded, 'the error was broken off');
      const error = dialect.readError(parse(got.body));
      if (error) checkCode(dialect, error, [wants.code], check);
      else check(false, `it is no error of ${dialect.name}: ${shown()}`);
      const again = got.headers['x-should-retry'];
      const told = wants.retryable === undefined ? undefined : String(wants.retryable);
      check(told === undefined || again === told, `x-should-retry is ${again}, not ${told}`);
      const wait = Number(got.headers['retry-after']);
      if (wants.wait) check(wait >= 1 && wait <= 60, `retry-after is ${got.headers['retry-after']}`);
      break;
    }
    case 'stream error': {
      check(got.status === 200, `status ${got.status}, not 200: ${shown()}`);
      const read = dialect.readStream(got.body);
      check(read.text !== '', 'no content came before the error');
      check(texts.first.startsWith(read.text), `the content is ${JSON.stringify(read.text)}`);
      check(read.strange.length === 0, `a chunk is not of the protocol: ${read.strange[0]}`);
      check(!read.isWhole, 'the stream has a terminator, as if it were whole');
      check(read.errors.length === 1, `the stream has ${read.errors.length} errors: …${tailOf(got)}`);
      if (read.errors[0]) checkCode(dialect, read.errors[0], wants.codes, check);
      break;
    }
    case 'refusal': {
      check(got.status === wants.status, `status ${got.status}, not ${wants.status}: ${shown()}`);
      check(
        dialect.readError(parse(got.body)) !== undefined,
        `it is no error of ${dialect.name}: ${shown()}`,
      );
      check(got.headers['x-should-retry'] === 'false', 'libraries are not told to leave it');
      break;
    }
    case 'broken connection':
      check(!got.isEnded, `the reply ended as if it were whole, with ${got.body.length} bytes`);
      break;
  }
  return findings;
}

function checkCode(
  dialect: Dialect,
  error: WireError,
  codes: readonly GatewayErrorCode[],
  check: (holds: boolean, otherwise: string) => void,
): void {
  check(error.message !== '' && error.message !== 'undefined', 'the error has no message');
  if (error.code === undefined) return;
  const wanted = codes.map((code) => (dialect.provider === 'openai' && openAiCodes[code]) || code);
  // an error of the provider's own is relayed in its own words
  const isOwn = codes.includes('upstream_error');
  check(isOwn || wanted.includes(error.code), `the code is ${error.code}, not ${wanted.join(' or ')}`);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

function textOf(got: Got, dialect: Dialect): string | undefined {
  const reply = parse(got.body);
  return reply === undefined ? undefined : dialect.textOfReply(reply);
}

function tailOf(got: Got): string {
  return got.body.toString().slice(-200);
}
