/** An item of a response, as a test says it. */
export type ScriptedItem =
  | { readonly type: 'message'; readonly pieces: readonly string[] }
  | { readonly type: 'function_call'; readonly name: string; readonly pieces: readonly string[] }
  | { readonly type: 'reasoning'; readonly summary?: string; readonly encrypted?: string };

interface ResponseOptions {
  /** Goes into all ids, so that those of two streams are never the same. */
  readonly tag: string;
  readonly items: readonly ScriptedItem[];
  readonly outputTokens?: number;
}

type Event = Readonly<Record<string, unknown>>;

/**
 * The events of a streamed response as OpenAI's API reference tells them (platform.openai.com/docs/api-reference/
 * responses-streaming): written down here once more, so that it is not our own words that are checked with ours.
 */
export function responseEvents({ tag, items, outputTokens = 10 }: ResponseOptions): string[] {
  const head = { id: `resp_${tag}`, object: 'response', created_at: 1_700_000_000, model: `model-${tag}` };
  const open = { ...head, status: 'in_progress', output: [], usage: null, error: null };
  const events: Event[] = [
    { type: 'response.created', response: open },
    { type: 'response.in_progress', response: open },
  ];
  const output = items.map((item, index) => say(item, index, tag, events));
  const usage = {
    input_tokens: 5,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 5 + outputTokens,
  };
  events.push({
    type: 'response.completed',
    response: { ...head, status: 'completed', output, usage, error: null },
  });
  return events.map((event, sequence_number) => toText({ ...event, sequence_number }));
}

/** One event on the wire. */
export function toText(event: Event): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

function say(item: ScriptedItem, index: number, tag: string, events: Event[]): Event {
  const id = `${item.type.slice(0, 3)}_${tag}_${index}`;
  const place = { item_id: id, output_index: index };
  const begin = (open: Event) =>
    events.push({ type: 'response.output_item.added', output_index: index, item: open });
  const end = (done: Event) => {
    events.push({ type: 'response.output_item.done', output_index: index, item: done });
    return done;
  };
  if (item.type === 'reasoning') {
    const { summary, encrypted } = item;
    const open = { id, type: 'reasoning', summary: [], ...(encrypted && { encrypted_content: encrypted }) };
    begin(open);
    if (summary === undefined) return end(open);
    const at = { ...place, summary_index: 0 };
    const part = (text: string) => ({ type: 'summary_text', text });
    events.push(
      { type: 'response.reasoning_summary_part.added', ...at, part: part('') },
      { type: 'response.reasoning_summary_text.delta', ...at, delta: summary },
      { type: 'response.reasoning_summary_text.done', ...at, text: summary },
      { type: 'response.reasoning_summary_part.done', ...at, part: part(summary) },
    );
    return end({ ...open, summary: [part(summary)] });
  }
  const whole = item.pieces.join('');
  if (item.type === 'function_call') {
    const call = { id, type: 'function_call', call_id: `call_${tag}_${index}`, name: item.name };
    begin({ ...call, status: 'in_progress', arguments: '' });
    for (const delta of item.pieces)
      events.push({ type: 'response.function_call_arguments.delta', ...place, delta });
    events.push({ type: 'response.function_call_arguments.done', ...place, arguments: whole });
    return end({ ...call, status: 'completed', arguments: whole });
  }
  const message = { id, type: 'message', role: 'assistant' };
  const part = (text: string) => ({ type: 'output_text', annotations: [], logprobs: [], text });
  const at = { ...place, content_index: 0 };
  begin({ ...message, status: 'in_progress', content: [] });
  events.push({ type: 'response.content_part.added', ...at, part: part('') });
  for (const delta of item.pieces)
    events.push({ type: 'response.output_text.delta', ...at, delta, logprobs: [] });
  events.push({ type: 'response.output_text.done', ...at, text: whole, logprobs: [] });
  events.push({ type: 'response.content_part.done', ...at, part: part(whole) });
  return end({ ...message, status: 'completed', content: [part(whole)] });
}
