import type { ReadRequest, StreamSplicer } from '../splicer.ts';
import { asObject, asObjects, asText, type Members } from '../stream-data.ts';
import { addCounts, createTextSplicer, ownMembers, type Splicing } from '../text-splicer.ts';

/** Splices streams of `:streamGenerateContent?alt=sse`: one candidate, text only. */
export function createGeminiSplicer(request: ReadRequest): StreamSplicer {
  let opening: Members | undefined;

  return createTextSplicer({
    textOf(chunk) {
      opening ??= chunk;
      let text = '';
      for (const candidate of asObjects(chunk.candidates)) {
        const content = textOf(candidate);
        const isEnd = asText(candidate.finishReason) !== undefined;
        if (content === undefined || (candidate.index ?? 0) !== 0 || isEnd) return undefined;
        text += content;
      }
      return text;
    },
    continuation(text) {
      const contents = request('contents');
      if (!Array.isArray(contents)) return undefined;
      return { contents: [...contents, { role: 'model', parts: [{ text: text.trimEnd() }] }] };
    },
    rewriter: (splicing) => (chunk) => {
      const candidates = freshCandidates(chunk, splicing);
      if (candidates === undefined) return undefined;
      if (candidates.length === 0) return '';
      const own = ownMembers(chunk, opening, ['responseId', 'modelVersion']);
      return `data: ${JSON.stringify({ ...chunk, ...own, candidates, ...toldUsage(chunk, splicing) })}\n\n`;
    },
  });
}

/** The new part of a chunk's candidates; undefined when they say something else. */
function freshCandidates(chunk: Members, splicing: Splicing): Members[] | undefined {
  const candidates: Members[] = [];
  for (const candidate of asObjects(chunk.candidates)) {
    const isEnd = asText(candidate.finishReason) !== undefined;
    const content = textOf(candidate);
    const fresh = content === undefined ? undefined : splicing.fresh(content);
    if (content !== undefined && fresh === undefined) return undefined;
    if (!splicing.isReady && (content === undefined || isEnd)) return undefined;
    if (fresh === '' && !isEnd) continue;
    candidates.push(fresh === undefined ? candidate : withText(candidate, fresh));
  }
  return candidates;
}

function toldUsage({ usageMetadata }: Members, { spent }: Splicing): Members {
  const counts = asObject(usageMetadata);
  if (!counts) return {};
  const { inputTokens = 0, outputTokens = 0 } = spent ?? {};
  return {
    usageMetadata: addCounts(counts, {
      promptTokenCount: inputTokens,
      candidatesTokenCount: outputTokens,
      totalTokenCount: inputTokens + outputTokens,
    }),
  };
}

/** The text of a candidate; undefined when it brings anything else. */
function textOf({ content }: Members): string | undefined {
  let text = '';
  for (const part of asObjects(asObject(content)?.parts)) {
    const isText = typeof part.text === 'string' && Object.keys(part).length === 1;
    if (!isText) return undefined;
    text += part.text;
  }
  return text;
}

function withText(candidate: Members, text: string): Members {
  const content = asObject(candidate.content);
  return { ...candidate, content: { ...content, parts: [{ text }] } };
}
