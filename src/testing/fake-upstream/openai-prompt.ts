import type { Ask } from './answer.ts';
import { type JsonObject, toArray, toNumber, toObject, toText } from './json.ts';
import { countPromptTokens } from './tokens.ts';

/** Read a chat completions body. */
export function toChatAsk(body: JsonObject): Ask {
  const tools = toArray(body.tools).map((tool) => toObject(toObject(tool).function));
  const format = toObject(body.response_format);
  const stop = typeof body.stop === 'string' ? [body.stop] : toArray(body.stop);
  return {
    model: toText(body.model) ?? '',
    promptTokens: countPromptTokens(body.messages, body.tools),
    userText: lastUserText(toArray(body.messages)),
    tools: tools.flatMap((tool) => {
      const name = toText(tool.name);
      return name === undefined ? [] : [{ name, schema: tool.parameters }];
    }),
    toolChoice: toToolChoice(body.tool_choice),
    maxOutputTokens: toNumber(body.max_completion_tokens) ?? toNumber(body.max_tokens),
    stop: stop.filter((text) => typeof text === 'string'),
    ...toOutputSchema(format, toObject(format.json_schema).schema),
  };
}

/** Read a responses body. */
export function toResponsesAsk(body: JsonObject): Ask {
  const input = body.input;
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : toArray(input);
  const format = toObject(toObject(body.text).format);
  return {
    model: toText(body.model) ?? '',
    promptTokens: countPromptTokens(body.instructions, input, body.tools),
    userText: lastUserText(items),
    tools: toArray(body.tools).flatMap((tool) => {
      const name = toText(toObject(tool).name);
      return name === undefined ? [] : [{ name, schema: toObject(tool).parameters }];
    }),
    toolChoice: toToolChoice(body.tool_choice),
    maxOutputTokens: toNumber(body.max_output_tokens),
    ...toOutputSchema(format, format.schema),
  };
}

/**
 * The text of the last part of the last turn, if that is the user's. System turns after it are skipped, as
 * some clients append reminders there.
 */
export function lastUserText(messages: readonly unknown[]): string {
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    const message = toObject(messages[index]);
    if (message.role === 'system' || message.role === 'developer') {
      continue;
    }
    if (message.role !== 'user') {
      return '';
    }
    const content = message.content;
    if (typeof content === 'string') {
      return content;
    }
    const parts = toArray(content).map(toObject);
    if (parts.some((part) => part.type === 'tool_result')) {
      return '';
    }
    return toText(parts.findLast((part) => typeof part.text === 'string')?.text) ?? '';
  }
  return '';
}

function toToolChoice(choice: unknown): Ask['toolChoice'] {
  if (choice === 'none' || choice === 'required') {
    return choice;
  }
  const object = toObject(choice);
  const name = toText(toObject(object.function).name) ?? toText(object.name);
  return name === undefined ? 'auto' : { name };
}

function toOutputSchema(format: JsonObject, schema: unknown): { outputSchema?: unknown } {
  if (format.type === 'json_schema') {
    return { outputSchema: schema ?? true };
  }
  return format.type === 'json_object' ? { outputSchema: true } : {};
}
