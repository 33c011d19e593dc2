import assert from 'node:assert/strict';

const isPlain = !process.stdout.isTTY || (process.env.NO_COLOR ?? '') !== '';
const paint = (code: number, text: string) => (isPlain ? text : `\u001b[${code}m${text}\u001b[0m`);

/** What a step saw, told to the reader line by line. */
export type Tell = (line: string) => void;

/** Tells a story in numbered steps, and knows at the end whether all went as it should. */
export function createNarrator() {
  let steps = 0;
  let failed = 0;
  return {
    /** Lines outside any step. */
    say(text: string) {
      console.log(text);
    },
    /** Runs one step. It fails by throwing. */
    async step(title: string, run: (tell: Tell) => Promise<void>) {
      console.log(`\n${paint(1, `${++steps}. ${title}`)}`);
      try {
        await run((line) => console.log(`   ${line}`));
      } catch (error) {
        failed++;
        console.log(`   ${paint(31, 'FAILED')} ${error instanceof Error ? error.message : String(error)}`);
      }
    },
    get steps() {
      return steps;
    },
    get failed() {
      return failed;
    },
  };
}

/** What the SDKs' errors have in common. */
interface ApiError {
  readonly status: number;
  readonly message: string;
  readonly code?: string | null;
  /** The body, if the SDK does not take it apart. */
  readonly error?: { readonly error?: { readonly type?: string; readonly message?: string } };
}

/** The refusal that a request must meet. @throws AssertionError when it is answered, or refused with another status */
export async function refusalOf(status: number, request: () => PromiseLike<unknown>): Promise<ApiError> {
  let refusal: ApiError | undefined;
  try {
    await request();
  } catch (error) {
    refusal = error as ApiError;
  }
  assert.ok(refusal, `expected a refusal with ${status}, and it was answered`);
  assert.equal(refusal.status, status, `expected ${status}: ${refusal.message}`);
  return refusal;
}

/** A text on one line, and not too long. */
export function inShort(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 90 ? `${line.slice(0, 87)}…` : line;
}

/** A refusal as one would report it, on lines of readable length. */
export function tellRefusal(tell: Tell, { status, code, message, error }: ApiError): void {
  const name = code ?? error?.error?.type ?? '';
  tell(paint(33, `${status} ${name}`));
  const text = error?.error?.message ?? message.replace(new RegExp(`^${status} `), '');
  for (const line of text.match(/.{1,96}(?:\s|$)/g) ?? []) tell(line.trimEnd());
}
