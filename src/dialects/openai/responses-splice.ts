import { asObject, asObjects, type Members } from '../stream-data.ts';
import { addCounts, ownMembers, type Splicing } from '../text-splicer.ts';
import type { DeliveredResponse } from './responses-splicer.ts';

const openings: ReadonlySet<string> = new Set([
  'response.created',
  'response.queued',
  'response.in_progress',
]);

/** Where an item of the other stream goes out. */
interface Place {
  readonly index: number;
  /** Whether it is the message that is continued. */
  readonly isMessage: boolean;
}

/**
 * The events of another response that replaces one that broke: the first message of the other continues the message of
 * the broken one, other items follow, and every event gets the next number and place.
 */
export class ResponsesSplice {
  readonly #splicing: Splicing;
  readonly #own: DeliveredResponse;
  /** Items of the other stream by their place in it; those left out are absent. */
  readonly #places = new Map<number, Place>();
  /** What goes out, by its place. */
  readonly #output: Members[];
  #sequence: number | undefined;
  /** The whole text of the message. */
  #said: string;
  /** How much longer the text is than that of the other message. */
  #ahead: number;
  #isTaken = false;
  #isClosed = false;
  /** Whether reasoning was left out without which what follows may not be sent back. */
  #isBound = false;

  constructor(splicing: Splicing, own: DeliveredResponse) {
    this.#splicing = splicing;
    this.#own = own;
    this.#output = [...own.before];
    this.#sequence = own.sequence;
    this.#said = splicing.text;
    this.#ahead = splicing.text.length;
  }

  event(event: Members, type: string | undefined): string | undefined {
    if (type === undefined || openings.has(type)) return '';
    if (type === 'error') return this.#render(event, type);
    const { isReady } = this.#splicing;
    if (asObject(event.response))
      return isReady || type === 'response.failed' ? this.#end(event, type) : undefined;
    const { output_index: index } = event;
    if (typeof index !== 'number') return isReady ? this.#render(event, type) : '';
    if (type === 'response.output_item.added') return this.#begin(event, index, type);
    const place = this.#places.get(index);
    if (!place) return this.#leaveOut(event);
    if (place.isMessage) return this.#goOn(event, type);
    const changed = { ...event, output_index: place.index };
    if (type === 'response.output_item.done') this.#note(place, asObject(event.item));
    return this.#render(changed, type);
  }

  #begin(event: Members, index: number, type: string): string | undefined {
    const kind = asObject(event.item)?.type;
    if (kind === 'message' && !this.#isTaken && !this.#isClosed) {
      this.#isTaken = true;
      this.#places.set(index, { index: this.#own.index, isMessage: true });
      return '';
    }
    // there is no place for it before what went out
    if (kind === 'reasoning' && !this.#isClosed) return '';
    if (!this.#splicing.isReady || this.#isBound) return undefined;
    const before = this.#close();
    const place = { index: this.#output.length, isMessage: false };
    this.#places.set(index, place);
    this.#note(place, asObject(event.item));
    return before + this.#render({ ...event, output_index: place.index }, type);
  }

  #leaveOut({ item }: Members): '' {
    const { type, encrypted_content } = asObject(item) ?? {};
    if (type === 'reasoning' && (encrypted_content ?? null) !== null) this.#isBound = true;
    return '';
  }

  /** An event of the message that is continued. */
  #goOn(event: Members, type: string): string | undefined {
    // it was ended because something else had begun
    if (this.#isClosed) return type.endsWith('.delta') ? undefined : '';
    const own = {
      ...event,
      output_index: this.#own.index,
      ...('item_id' in event && { item_id: this.#own.message.id }),
    };
    const isText = event.content_index === 0;
    if (isText && type === 'response.output_text.delta') return this.#say(own, String(event.delta ?? ''));
    if (isText && type === 'response.content_part.added') return this.#open(own, asObject(event.part));
    if (!this.#splicing.isReady) return undefined;
    if (type === 'response.output_item.done') {
      this.#isClosed = true;
      const item = this.#toMessage(asObject(event.item) ?? {});
      this.#output[this.#own.index] = item;
      return this.#render({ ...own, item }, type);
    }
    if (!isText) return this.#render(own, type);
    if (type === 'response.content_part.done') {
      return this.#render({ ...own, part: this.#toPart(asObject(event.part) ?? {}) }, type);
    }
    if (type === 'response.output_text.done') return this.#render({ ...own, text: this.#said }, type);
    const annotation = asObject(event.annotation);
    return this.#render({ ...own, ...(annotation && { annotation: this.#moved(annotation) }) }, type);
  }

  #open(own: Members, part: Members | undefined): string | undefined {
    // a refusal instead of a text that has begun
    if (part?.type !== 'output_text') return undefined;
    const { part: _, ...place } = own;
    return this.#say({ ...place, type: 'response.output_text.delta', logprobs: [] }, String(part.text ?? ''));
  }

  #say(own: Members, piece: string): string | undefined {
    const fresh = this.#splicing.fresh(piece);
    if (fresh === undefined) return undefined;
    this.#ahead -= piece.length - fresh.length;
    if (fresh === '') return '';
    this.#said += fresh;
    // wrong for a piece of which only a part goes out
    const logprobs = fresh !== piece && 'logprobs' in own ? { logprobs: [] } : {};
    return this.#render({ ...own, delta: fresh, ...logprobs }, 'response.output_text.delta');
  }

  /** Ends the message where it broke, because something else follows. */
  #close(): string {
    if (this.#isClosed) return '';
    this.#isClosed = true;
    const { index, message, part } = this.#own;
    const place = { item_id: message.id, output_index: index, content_index: 0 };
    const whole = { ...part, text: this.#said };
    const item = { ...message, status: 'completed', content: [whole] };
    this.#output[index] = item;
    const events: Members[] = [
      { type: 'response.output_text.done', ...place, text: this.#said, logprobs: [] },
      { type: 'response.content_part.done', ...place, part: whole },
      { type: 'response.output_item.done', output_index: index, item },
    ];
    return events.map((event) => this.#render(event, String(event.type))).join('');
  }

  #end(event: Members, type: string): string {
    const response = asObject(event.response) ?? {};
    const before = this.#isTaken ? '' : this.#close();
    for (const [index, item] of asObjects(response.output).entries()) {
      const place = this.#places.get(index);
      if (place) this.#note(place, item);
    }
    const own = ownMembers(response, this.#own.opening, ['id', 'created_at', 'model']);
    const output = this.#output.filter(Boolean);
    return (
      before +
      this.#render({ ...event, response: { ...response, ...own, output, ...this.#usage(response) } }, type)
    );
  }

  #usage({ usage }: Members): Members {
    const counts = asObject(usage);
    if (!counts) return {};
    const { inputTokens = 0, outputTokens = 0 } = this.#splicing.spent ?? {};
    return {
      usage: addCounts(counts, {
        input_tokens: inputTokens,
        output_tokens: outputTokens,
        total_tokens: inputTokens + outputTokens,
      }),
    };
  }

  #note({ index, isMessage }: Place, item: Members | undefined): void {
    if (item) this.#output[index] = isMessage ? this.#toMessage(item) : item;
  }

  #toMessage(item: Members): Members {
    const [text, ...others] = asObjects(item.content);
    return { ...item, id: this.#own.message.id, ...(text && { content: [this.#toPart(text), ...others] }) };
  }

  #toPart(part: Members): Members {
    const { annotations } = part;
    const moved = Array.isArray(annotations) && {
      annotations: asObjects(annotations).map((one) => this.#moved(one)),
    };
    return { ...part, text: this.#said, ...moved };
  }

  /** An annotation of the other text, at its place in this one. */
  #moved(annotation: Members): Members {
    const index = annotation.type === 'file_citation' ? this.#ahead : 0;
    return addCounts(annotation, { start_index: this.#ahead, end_index: this.#ahead, index });
  }

  #render(event: Members, type: string): string {
    const { sequence_number: _, ...unnumbered } = event;
    if (this.#sequence === undefined) return `event: ${type}\ndata: ${JSON.stringify(unnumbered)}\n\n`;
    this.#sequence++;
    const { type: name, ...rest } = unnumbered;
    const data = { ...(name !== undefined && { type: name }), sequence_number: this.#sequence, ...rest };
    return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  }
}
