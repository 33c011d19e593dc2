import {
  addCounts,
  type Splice,
  type StreamSplicer,
  toPrefixFilter,
  withoutTrailingBlanks,
} from '../splicer.ts';
import { asObject, asObjects, asText, dataKind, type Members, parseObject } from '../stream-data.ts';

/** Splices streams of Chat Completions: one choice, text only. */
export function createChatSplicer(): StreamSplicer {
  let opening: Members | undefined;
  let text = '';
  let isPlain = true;

  function deliver(chunk: Members): void {
    opening ??= chunk;
    for (const choice of asObjects(chunk.choices)) {
      const content = contentOf(choice);
      if (content === undefined || (choice.index ?? 0) !== 0 || asText(choice.finish_reason)) isPlain = false;
      else text += content;
    }
  }

  return {
    delivered(data) {
      const chunk = dataKind(data) === 'object' ? parseObject(data) : undefined;
      if (chunk) deliver(chunk);
      else if (data.trim() !== '') isPlain = false;
    },
    get text() {
      return isPlain && text !== '' ? text : undefined;
    },
    continuation(body) {
      const messages = body('messages');
      if (!Array.isArray(messages)) return undefined;
      const { kept } = withoutTrailingBlanks(text);
      const last = asObject(messages.at(-1));
      if (last?.role !== 'assistant') {
        return { messages: [...messages, { role: 'assistant', content: kept }] };
      }
      if (typeof last.content !== 'string') return undefined;
      return { messages: [...messages.slice(0, -1), { ...last, content: last.content + kept }] };
    },
    splice(mode, spent): Splice {
      const prefix = toPrefixFilter(mode, text);
      return {
        get isReady() {
          return mode === 'continue' || prefix.isDone;
        },
        event({ data }) {
          const chunk = dataKind(data) === 'object' ? parseObject(data) : undefined;
          if (!chunk) return `data: ${data}\n\n`;
          const choices: Members[] = [];
          for (const choice of asObjects(chunk.choices)) {
            const content = contentOf(choice);
            const fresh = content === undefined ? undefined : prefix.take(content);
            // it says something else, or is over, or calls a tool, before it has said what went out
            const isAhead =
              mode === 'restart' && !prefix.isDone && asText(choice.finish_reason) !== undefined;
            if (isAhead || (content !== undefined && fresh === undefined)) return undefined;
            if (content === undefined && !this.isReady) return undefined;
            const { role: _, ...delta } = { ...asObject(choice.delta) } as Record<string, unknown>;
            if (fresh !== undefined && 'content' in delta) delta.content = fresh;
            const isBare = Object.values(delta).every((value) => value === null || value === '');
            if (!isBare || asText(choice.finish_reason)) choices.push({ ...choice, delta });
          }
          const usage = asObject(chunk.usage);
          if (choices.length === 0 && !usage) return '';
          const { id, created, model, system_fingerprint } = opening ?? {};
          const own = Object.fromEntries(
            Object.entries({ id, created, model, system_fingerprint }).filter(
              ([name, value]) => value !== undefined && name in chunk,
            ),
          );
          const inputTokens = spent?.inputTokens ?? 0;
          const outputTokens = spent?.outputTokens ?? 0;
          const told = usage && {
            usage: addCounts(usage, {
              prompt_tokens: inputTokens,
              completion_tokens: outputTokens,
              total_tokens: inputTokens + outputTokens,
            }),
          };
          return `data: ${JSON.stringify({ ...chunk, ...own, choices, ...told })}\n\n`;
        },
      };
    },
  };
}

/** The text of a choice; undefined when it brings anything else. */
function contentOf({ delta }: Members): string | undefined {
  let text = '';
  for (const [name, value] of Object.entries(asObject(delta) ?? {})) {
    if (name === 'content' && typeof value === 'string') text = value;
    else if (
      name !== 'role' &&
      value !== null &&
      value !== '' &&
      !(Array.isArray(value) && value.length === 0)
    ) {
      return undefined;
    }
  }
  return text;
}
