import type { StreamSplicer } from '../splicer.ts';
import { asObject, asObjects, asText, type Members } from '../stream-data.ts';
import { addCounts, createTextSplicer, ownMembers, type Splicing, type TextStream } from '../text-splicer.ts';

const ofAnswer = ['id', 'created', 'model', 'system_fingerprint'];

/** How the two protocols of chunks with choices differ, as far as text goes. */
export interface ChoiceText {
  /** The text of a choice; undefined when it brings anything else. */
  textOf(choice: Members): string | undefined;
  /** A choice with another text. */
  withText(choice: Members, text: string): Members;
}

/** Splices streams of chunks with choices. */
export function createChunkSplicer(
  choiceText: ChoiceText,
  stream: Pick<TextStream, 'continuation' | 'isExact'>,
): StreamSplicer {
  let opening: Members | undefined;
  return createTextSplicer({
    ...stream,
    textOf(chunk) {
      opening ??= chunk;
      return textOfChunk(chunk, choiceText);
    },
    rewriter: (splicing) => (chunk) => spliceChunk(chunk, opening, splicing, choiceText),
    endsWithDone: true,
  });
}

/** The text of a chunk: one choice that is not over. Undefined when it brings anything else. */
function textOfChunk(chunk: Members, { textOf }: ChoiceText): string | undefined {
  let text = '';
  for (const choice of asObjects(chunk.choices)) {
    const content = textOf(choice);
    if (content === undefined || (choice.index ?? 0) !== 0 || isEnd(choice)) return undefined;
    text += content;
  }
  return text;
}

/** A chunk of the stream that replaces a broken one, as it goes out; see `Splice`. */
function spliceChunk(
  chunk: Members,
  opening: Members | undefined,
  splicing: Splicing,
  choiceText: ChoiceText,
): string | undefined {
  const choices: Members[] = [];
  for (const choice of asObjects(chunk.choices)) {
    const content = choiceText.textOf(choice);
    const fresh = content === undefined ? undefined : splicing.fresh(content);
    // it says something else, or is over, or calls a tool, before it has repeated what went out
    if (content !== undefined && fresh === undefined) return undefined;
    if (!splicing.isReady && (content === undefined || isEnd(choice))) return undefined;
    if (fresh === '' && !isEnd(choice)) continue;
    choices.push(fresh === undefined || fresh === content ? choice : choiceText.withText(choice, fresh));
  }
  const usage = asObject(chunk.usage);
  if (choices.length === 0 && !usage) return '';
  const { inputTokens = 0, outputTokens = 0 } = splicing.spent ?? {};
  const told = usage && {
    usage: addCounts(usage, {
      prompt_tokens: inputTokens,
      completion_tokens: outputTokens,
      total_tokens: inputTokens + outputTokens,
    }),
  };
  const own = ownMembers(chunk, opening, ofAnswer);
  return `data: ${JSON.stringify({ ...chunk, ...own, choices, ...told })}\n\n`;
}

function isEnd(choice: Members): boolean {
  return asText(choice.finish_reason) !== undefined;
}
