import { addCounts, type Splice, type StreamSplicer, toPrefixFilter } from '../splicer.ts';
import { asObject, asObjects, asText, dataKind, type Members, parseObject } from '../stream-data.ts';

/** Splices streams of `:streamGenerateContent?alt=sse`: one candidate, text only. */
export function createGeminiSplicer(): StreamSplicer {
  let opening: Members | undefined;
  let text = '';
  let isPlain = true;

  function deliver(chunk: Members): void {
    opening ??= chunk;
    for (const candidate of asObjects(chunk.candidates)) {
      const content = textOf(candidate);
      if (content === undefined || (candidate.index ?? 0) !== 0 || asText(candidate.finishReason))
        isPlain = false;
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
      const contents = body('contents');
      if (!Array.isArray(contents)) return undefined;
      return { contents: [...contents, { role: 'model', parts: [{ text: text.trimEnd() }] }] };
    },
    splice(mode, spent): Splice {
      const prefix = toPrefixFilter(mode, text);
      return {
        get isReady() {
          return mode === 'continue' || prefix.isDone;
        },
        event({ data }) {
          const chunk = dataKind(data) === 'object' ? parseObject(data) : undefined;
          if (!chunk) return '';
          const candidates: Members[] = [];
          for (const candidate of asObjects(chunk.candidates)) {
            const content = textOf(candidate);
            const fresh = content === undefined ? undefined : prefix.take(content);
            if (content !== undefined && fresh === undefined) return undefined;
            if (!this.isReady && (content === undefined || asText(candidate.finishReason))) return undefined;
            if (fresh === '' && !asText(candidate.finishReason)) continue;
            candidates.push(fresh === undefined ? candidate : withText(candidate, fresh));
          }
          if (candidates.length === 0) return '';
          const { responseId, modelVersion } = opening ?? {};
          const usage = asObject(chunk.usageMetadata);
          const inputTokens = spent?.inputTokens ?? 0;
          const outputTokens = spent?.outputTokens ?? 0;
          const told = usage && {
            usageMetadata: addCounts(usage, {
              promptTokenCount: inputTokens,
              candidatesTokenCount: outputTokens,
              totalTokenCount: inputTokens + outputTokens,
            }),
          };
          const own = {
            ...('responseId' in chunk && responseId !== undefined && { responseId }),
            ...('modelVersion' in chunk && modelVersion !== undefined && { modelVersion }),
          };
          return `data: ${JSON.stringify({ ...chunk, ...own, candidates, ...told })}\n\n`;
        },
      };
    },
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
