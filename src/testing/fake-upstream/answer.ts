import { isObject, type JsonObject } from './json.ts';
import { sampleSchema } from './sample-schema.ts';
import { countTokens, splitByTokens, takeTokens } from './tokens.ts';
import type { Exchange, TokenUsage } from './types.ts';

/** A generation request, whatever its dialect. */
export interface Ask {
  readonly model: string;
  readonly promptTokens: number;
  readonly cachedTokens?: number;
  readonly cacheWriteTokens?: number;
  readonly cacheWrite1hTokens?: number;
  /** Text of the last part of the last user turn; empty when the last turn is not the user's. */
  readonly userText: string;
  readonly tools: readonly { readonly name: string; readonly schema: unknown }[];
  readonly toolChoice: 'auto' | 'none' | 'required' | { readonly name: string };
  /** The schema the text must fit; `true` for any JSON. */
  readonly outputSchema?: unknown;
  readonly maxOutputTokens?: number | undefined;
  readonly stop?: readonly string[];
}

/** A tool call of an answer. */
export interface AnswerCall {
  readonly name: string;
  readonly arguments: string;
  readonly id: string | undefined;
}

/** What the model answers, before a dialect gives it a shape. */
export interface Answer {
  readonly text: string;
  readonly textChunks: readonly string[];
  readonly reasoning: string;
  readonly reasoningChunks: readonly string[];
  readonly calls: readonly AnswerCall[];
  readonly finish: 'stop' | 'length' | 'content_filter' | 'tool_calls';
  readonly stopSequence?: string;
  readonly usage: TokenUsage;
  readonly model: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** Decide the answer: the script's, a tool call when the request asks for one, or the built-in sentence. */
export function composeAnswer(exchange: Exchange, ask: Ask): Answer {
  const script = exchange.options.reply?.(exchange.request);
  const calls = script?.toolCalls?.map((call) => ({
    name: call.name,
    arguments: typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments ?? {}),
    id: call.id,
  }));
  const chosen = calls ?? (script === undefined ? chooseCalls(ask) : []);
  const scriptedText = script?.chunks?.join('') ?? script?.text;
  const full = scriptedText ?? (chosen.length > 0 ? '' : defaultText(ask));
  const limited = limitText(full, ask);
  const reasoning = script?.reasoning ?? '';
  const whole = limited.text === full;
  const text = limited.text;
  const counted = countTokens(text) + chosen.reduce((sum, call) => sum + countTokens(call.arguments), 0);
  const cached = ask.cachedTokens ?? 0;
  const written = ask.cacheWriteTokens ?? 0;
  const written1h = ask.cacheWrite1hTokens ?? 0;
  const usage: TokenUsage = {
    inputTokens: ask.promptTokens - cached - written - written1h,
    cachedTokens: cached,
    cacheWriteTokens: written,
    cacheWrite1hTokens: written1h,
    outputTokens: counted,
    reasoningTokens: countTokens(reasoning),
    ...script?.usage,
  };
  return {
    text,
    textChunks:
      script?.chunks !== undefined && whole ? script.chunks : splitByTokens(text, exchange.tokensPerChunk),
    reasoning,
    reasoningChunks: splitByTokens(reasoning, exchange.tokensPerChunk),
    calls: chosen,
    finish: script?.finish ?? (chosen.length > 0 ? 'tool_calls' : limited.finish),
    ...(limited.stopSequence === undefined ? {} : { stopSequence: limited.stopSequence }),
    usage,
    model: script?.model,
    headers: script?.headers ?? {},
  };
}

/** Prompt tokens as reported by dialects that count caches in the prompt. */
export function toPromptTotal(usage: TokenUsage): number {
  return usage.inputTokens + usage.cachedTokens + usage.cacheWriteTokens + usage.cacheWrite1hTokens;
}

function chooseCalls(ask: Ask): AnswerCall[] {
  const choice = ask.toolChoice;
  const first = ask.tools[0];
  if (first === undefined || choice === 'none') {
    return [];
  }
  if (typeof choice === 'object') {
    return toCalls(ask.tools.find((tool) => tool.name === choice.name) ?? first);
  }
  const named = ask.tools.find((tool) => isNamed(ask.userText, tool.name));
  if (named !== undefined) {
    return toCalls(named);
  }
  if (/\bweather\b/i.test(ask.userText)) {
    return toCalls(ask.tools.find((tool) => /weather/i.test(tool.name)) ?? first);
  }
  return choice === 'required' ? toCalls(first) : [];
}

function toCalls(tool: { readonly name: string; readonly schema: unknown }): AnswerCall[] {
  const sample = sampleSchema(tool.schema);
  return [{ name: tool.name, arguments: JSON.stringify(isObject(sample) ? sample : {}), id: undefined }];
}

function isNamed(text: string, name: string): boolean {
  const at = text.indexOf(name);
  return at >= 0 && !/\w/.test(text[at - 1] ?? ' ') && !/\w/.test(text[at + name.length] ?? ' ');
}

function defaultText(ask: Ask): string {
  if (ask.outputSchema !== undefined) {
    return JSON.stringify(
      ask.outputSchema === true ? { answer: 'ok' } : (sampleSchema(ask.outputSchema) as JsonObject),
    );
  }
  return 'The quick brown fox jumps over the lazy dog, and the answer to your question is forty-two.';
}

function limitText(
  text: string,
  ask: Ask,
): { text: string; finish: 'stop' | 'length'; stopSequence?: string } {
  let limited = text;
  let stopSequence: string | undefined;
  for (const stop of ask.stop ?? []) {
    const at = stop === '' ? -1 : limited.indexOf(stop);
    if (at >= 0) {
      limited = limited.slice(0, at);
      stopSequence = stop;
    }
  }
  if (ask.maxOutputTokens !== undefined && countTokens(limited) > ask.maxOutputTokens) {
    return { text: takeTokens(limited, ask.maxOutputTokens), finish: 'length' };
  }
  return { text: limited, finish: 'stop', ...(stopSequence === undefined ? {} : { stopSequence }) };
}
