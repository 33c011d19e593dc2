import type { ReadRequest, StreamSplicer } from '../splicer.ts';
import { asObject, asText, type Members } from '../stream-data.ts';
import { createTextSplicer, type TextStream, withUnfinishedTurn } from '../text-splicer.ts';
import { ResponsesSplice } from './responses-splice.ts';
import { isSilentReasoning } from './silent-reasoning.ts';

/** What went out of a response that can be continued: one message, of one text, still open. */
export interface DeliveredResponse {
  /** The response as in its first event. */
  readonly opening: Members | undefined;
  /** The number of the latest event; undefined when the provider numbers none. */
  readonly sequence: number | undefined;
  /** The message, as it was when it began, and its place in the output. */
  readonly message: Members;
  readonly index: number;
  /** What comes before it in the output: reasoning of which nothing was shown. */
  readonly before: readonly Members[];
  /** The part of the message that the text is in. */
  readonly part: Members;
}

/**
 * Splices streams of the Responses API. A response that its provider stores is not continued: its caller comes back
 * with its id and those of its items, and neither provider has what they would stand for.
 */
export function createResponsesSplicer(request: ReadRequest): StreamSplicer | undefined {
  if (request('store') !== false || (request('conversation') ?? null) !== null) return undefined;
  return createTextSplicer(new ResponsesText(request));
}

class ResponsesText implements TextStream {
  readonly #request: ReadRequest;
  readonly #before: Members[] = [];
  #opening: Members | undefined;
  #sequence: number | undefined;
  #message: Members | undefined;
  #index = 0;
  #part: Members | undefined;
  readonly rewritesErrors = true;

  constructor(request: ReadRequest) {
    this.#request = request;
  }

  textOf(event: Members, type: string | undefined): string | undefined {
    if (typeof event.sequence_number === 'number') this.#sequence = event.sequence_number;
    switch (type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        this.#opening ??= asObject(event.response);
        return '';
      case 'keepalive':
        return '';
      case 'response.output_item.added':
        return this.#begin(event);
      case 'response.output_item.done':
        return this.#message ? undefined : this.#keepSilent(event);
      case 'response.content_part.added':
        return this.#open(event);
      case 'response.output_text.delta':
        return this.#isOpen(event) && typeof event.delta === 'string' ? event.delta : undefined;
      default:
        return undefined;
    }
  }

  continuation(text: string): Members | undefined {
    const input = this.#request('input');
    const turns = typeof input === 'string' ? [{ role: 'user', content: input }] : input;
    const changed = withUnfinishedTurn(turns, text);
    return changed && { input: changed };
  }

  rewriter(splicing: Parameters<TextStream['rewriter']>[0]): ReturnType<TextStream['rewriter']> {
    const splice = new ResponsesSplice(splicing, {
      opening: this.#opening,
      sequence: this.#sequence,
      message: this.#message ?? {},
      index: this.#index,
      before: this.#before.filter(Boolean),
      part: this.#part ?? {},
    });
    return (event, type) => splice.event(event, type);
  }

  #begin(event: Members): '' | undefined {
    if (this.#message) return undefined;
    const item = asObject(event.item);
    if (item?.type !== 'message') return this.#keepSilent(event);
    this.#message = item;
    this.#index = typeof event.output_index === 'number' ? event.output_index : 0;
    return Array.isArray(item.content) && item.content.length > 0 ? undefined : '';
  }

  #keepSilent({ item, output_index }: Members): '' | undefined {
    const reasoning = asObject(item);
    if (!reasoning || !isSilentReasoning(reasoning) || typeof output_index !== 'number') return undefined;
    this.#before[output_index] = reasoning;
    return '';
  }

  #open(event: Members): string | undefined {
    const part = asObject(event.part);
    if (this.#part || part?.type !== 'output_text' || !this.#isOfMessage(event)) return undefined;
    this.#part = part;
    return asText(part.text) ?? '';
  }

  #isOpen(event: Members): boolean {
    return this.#part !== undefined && this.#isOfMessage(event);
  }

  #isOfMessage({ item_id, content_index }: Members): boolean {
    return this.#message !== undefined && item_id === this.#message.id && content_index === 0;
  }
}
