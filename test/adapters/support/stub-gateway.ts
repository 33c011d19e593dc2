import {
  type GatewayReply,
  type GatewayRequest,
  type HeaderMap,
  type ReplyBody,
  toGatewayError,
} from 'headgate';
import type { GatewayHandler } from 'headgate/node';

/** A gateway that keeps what it was handed and answers as a case says. */
export interface StubGateway extends GatewayHandler {
  readonly seen: GatewayRequest[];
  /** Codes of the errors it has rendered. */
  readonly errors: string[];
  answer: (request: GatewayRequest) => Promise<GatewayReply> | GatewayReply;
  /** Forgets everything, before each case. */
  reset(): void;
}

export const maxBodyBytes = 2 * 1024 * 1024;

export function toReply(status: number, body: ReplyBody | string, headers: HeaderMap = {}): GatewayReply {
  return {
    status,
    headers: { 'content-type': 'application/octet-stream', ...headers },
    body: typeof body === 'string' ? Buffer.from(body) : body,
    outcome: Promise.resolve({ kind: 'complete', replyBytes: 0 }),
  };
}

/** Answers with the body it got. */
export async function echo(request: GatewayRequest): Promise<GatewayReply> {
  return toReply(200, await request.readBody(maxBodyBytes));
}

export function createStubGateway(): StubGateway {
  const gateway: StubGateway = {
    seen: [],
    errors: [],
    answer: echo,
    reset() {
      gateway.seen.length = 0;
      gateway.errors.length = 0;
      gateway.answer = echo;
    },
    async handle(request) {
      gateway.seen.push(request);
      try {
        if (request.refusal !== undefined) throw request.refusal;
        return await gateway.answer(request);
      } catch (thrown) {
        const { code, status, message } = toGatewayError(thrown);
        gateway.errors.push(code);
        const body = JSON.stringify({ error: { code, message } });
        return toReply(status, body, { 'content-type': 'application/json' });
      }
    },
  };
  return gateway;
}

/** A body that a case drives by hand, and that knows how it was treated. */
export class ScriptedBody implements AsyncIterable<Uint8Array> {
  pulls = 0;
  returns = 0;
  private readonly script: (pull: number) => Promise<Uint8Array | undefined> | Uint8Array | undefined;

  constructor(script: (pull: number) => Promise<Uint8Array | undefined> | Uint8Array | undefined) {
    this.script = script;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        const value = await this.script(this.pulls++);
        return value === undefined ? { done: true, value: undefined } : { done: false, value };
      },
      return: async () => {
        this.returns++;
        return { done: true, value: undefined };
      },
    };
  }
}

/** A body of the given parts. */
export const partsBody = (...parts: readonly string[]): ScriptedBody =>
  new ScriptedBody((pull) => (pull < parts.length ? Buffer.from(parts[pull] as string) : undefined));

/** A promise with its handle outside. */
export function createGate(): { open: () => void; opened: Promise<void> } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
