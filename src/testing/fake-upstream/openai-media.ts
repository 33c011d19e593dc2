import { type Frame, toSseBody } from './frame.ts';
import { type JsonObject, toText } from './json.ts';
import { type FormPart, parseMultipart, toFields } from './multipart.ts';
import { toErrorReply } from './provider-error.ts';
import { nowSeconds, toJsonReply, toModelHeaders, toPromptUsage, toStreamReply } from './reply.ts';
import { countTokens, mediaTokens, splitByTokens } from './tokens.ts';
import type { Exchange, Reply } from './types.ts';

/** A picture of one transparent pixel. */
const pixelPng =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
const tokensPerImage = 272;
const maxImages = 10;
const transcript = 'The stale smell of old beer lingers.';

const speechTypes = new Map(
  Object.entries({
    mp3: 'audio/mpeg',
    opus: 'audio/opus',
    aac: 'audio/aac',
    flac: 'audio/flac',
    wav: 'audio/wav',
    pcm: 'audio/pcm',
  }),
);

/** `POST /v1/images/generations` (JSON) and `POST /v1/images/edits` (a form). */
export function createImages(exchange: Exchange, body: JsonObject, isEdit: boolean): Reply {
  let fields: JsonObject = body;
  let pictures = 0;
  if (isEdit) {
    const parts = readForm(exchange);
    pictures = parts?.filter((part) => part.filename !== undefined).length ?? 0;
    if (parts === undefined || pictures === 0) {
      return toErrorReply(exchange, 'openai', 400, {
        message: "Missing required parameter: 'image'.",
        param: 'image',
      });
    }
    fields = toFields(parts);
  }
  const prompt = toText(fields.prompt);
  if (prompt === undefined) {
    return toErrorReply(exchange, 'openai', 400, {
      message: "Missing required parameter: 'prompt'.",
      param: 'prompt',
    });
  }
  const model = toText(fields.model) ?? 'gpt-image-2';
  const count = Math.min(maxImages, Math.max(1, Number(fields.n ?? 1) || 1));
  const text = countTokens(prompt);
  const image = pictures * mediaTokens;
  const usage = {
    input_tokens: text + image,
    input_tokens_details: { image_tokens: image, text_tokens: text },
    output_tokens: tokensPerImage * count,
    total_tokens: text + image + tokensPerImage * count,
  };
  const billed = { model, usage: toPromptUsage(text + image, usage.output_tokens) };
  const look = { background: 'opaque', output_format: 'png', quality: 'medium', size: '1024x1024' };
  const headers = toModelHeaders(exchange, 'openai');
  if (fields.stream === true || fields.stream === 'true') {
    const prefix = isEdit ? 'image_edit' : 'image_generation';
    return toStreamReply(toSseBody(imageFrames(prefix, look, usage)), headers, billed);
  }
  // Only the DALL-E models answer with urls.
  const isUrl = model.startsWith('dall-e') && fields.response_format !== 'b64_json';
  const item = isUrl
    ? { url: `${exchange.baseUrl}/files/pixel.png`, revised_prompt: prompt }
    : { b64_json: pixelPng };
  return toJsonReply(
    { created: nowSeconds(), ...look, data: Array.from({ length: count }, () => item), usage },
    headers,
    billed,
  );
}

/** The picture that the urls of `/v1/images/generations` point to. */
export function getPixel(): Reply {
  return { status: 200, headers: { 'content-type': 'image/png' }, body: Buffer.from(pixelPng, 'base64') };
}

/** `POST /v1/audio/speech`: 8 KiB of silence in chunks, or events with `stream_format: "sse"`. */
export function createSpeech(exchange: Exchange, body: JsonObject): Reply {
  const input = toText(body.input);
  const model = toText(body.model);
  if (input === undefined || model === undefined) {
    const param = input === undefined ? 'input' : 'model';
    return toErrorReply(exchange, 'openai', 400, {
      message: `Missing required parameter: '${param}'.`,
      param,
    });
  }
  const tokens = countTokens(input);
  const billed = { model, usage: toPromptUsage(tokens, tokens * 10) };
  const headers = toModelHeaders(exchange, 'openai');
  const pieces = Array.from({ length: 8 }, (_, index) => Buffer.alloc(1_024, index));
  if (body.stream_format === 'sse') {
    const usage = { input_tokens: tokens, output_tokens: tokens * 10, total_tokens: tokens * 11 };
    const deltas = pieces.map((piece): Frame => {
      const data = JSON.stringify({ type: 'speech.audio.delta', audio: piece.toString('base64') });
      return { data, isContent: true };
    });
    const done = { data: JSON.stringify({ type: 'speech.audio.done', usage }) };
    return toStreamReply(toSseBody([...deltas, done]), headers, billed);
  }
  const contentType = speechTypes.get(toText(body.response_format) ?? 'mp3') ?? 'audio/mpeg';
  const frames = pieces.map((raw): Frame => ({ raw, isContent: true }));
  const reply = toStreamReply({ format: 'bytes', lineEnding: '\n', frames }, headers, billed);
  return { ...reply, headers: { ...headers, 'content-type': contentType } };
}

/** `POST /v1/audio/transcriptions` and `/v1/audio/translations`, both forms. */
export function createTranscription(exchange: Exchange, isTranslation: boolean): Reply {
  const parts = readForm(exchange);
  const file = parts?.find((part) => part.name === 'file' && part.filename !== undefined);
  const fields = toFields(parts ?? []);
  const model = fields.model;
  if (file === undefined || model === undefined) {
    const param = file === undefined ? 'file' : 'model';
    return toErrorReply(exchange, 'openai', 400, {
      message: `Missing required parameter: '${param}'.`,
      param,
    });
  }
  const text = exchange.options.reply?.(exchange.request)?.text ?? transcript;
  const seconds = Math.max(1, Math.ceil(file.bytes.length / 16_000));
  const input = seconds * 10;
  const output = countTokens(text);
  const usage = {
    type: 'tokens',
    input_tokens: input,
    input_token_details: { text_tokens: 0, audio_tokens: input },
    output_tokens: output,
    total_tokens: input + output,
  };
  const billed = { model, usage: toPromptUsage(input, output) };
  const headers = toModelHeaders(exchange, 'openai');
  if (fields.stream === 'true') {
    return toStreamReply(toSseBody(transcriptFrames(text, usage, exchange.tokensPerChunk)), headers, billed);
  }
  const format = fields.response_format ?? 'json';
  const duration = { type: 'duration', seconds };
  switch (format) {
    case 'json':
      return toJsonReply(isTranslation ? { text } : { text, usage }, headers, billed);
    case 'verbose_json':
      return toJsonReply(
        {
          task: isTranslation ? 'translate' : 'transcribe',
          language: 'english',
          duration: seconds,
          text,
          segments: [],
          usage: duration,
        },
        headers,
        billed,
      );
    case 'text':
      return toPlainReply(`${text}\n`, headers, billed);
    case 'srt':
      return toPlainReply(
        `1\n00:00:00,000 --> 00:00:0${Math.min(9, seconds)},000\n${text}\n\n`,
        headers,
        billed,
      );
    case 'vtt':
      return toPlainReply(
        `WEBVTT\n\n00:00:00.000 --> 00:00:0${Math.min(9, seconds)}.000\n${text}\n\n`,
        headers,
        billed,
      );
    default:
      return toErrorReply(exchange, 'openai', 400, {
        message: `Invalid value: '${format}'.`,
        param: 'response_format',
        code: 'invalid_value',
      });
  }
}

function readForm(exchange: Exchange): FormPart[] | undefined {
  return parseMultipart(exchange.request.headers['content-type'], exchange.request.body);
}

function toPlainReply(
  text: string,
  headers: Readonly<Record<string, string>>,
  billed: Reply['billed'],
): Reply {
  const all = { ...headers, 'content-type': 'text/plain; charset=utf-8' };
  return { status: 200, headers: all, body: Buffer.from(text), ...(billed === undefined ? {} : { billed }) };
}

function* imageFrames(prefix: string, look: JsonObject, usage: JsonObject): Generator<Frame> {
  const toFrame = (type: string, members: JsonObject, isContent: boolean): Frame => ({
    event: type,
    data: JSON.stringify({ type, b64_json: pixelPng, created_at: nowSeconds(), ...look, ...members }),
    isContent,
  });
  yield toFrame(`${prefix}.partial_image`, { partial_image_index: 0 }, true);
  yield toFrame(`${prefix}.completed`, { usage }, true);
}

function* transcriptFrames(text: string, usage: JsonObject, tokensPerChunk: number): Generator<Frame> {
  for (const delta of splitByTokens(text, tokensPerChunk)) {
    const data = JSON.stringify({ type: 'transcript.text.delta', delta });
    yield { data, isContent: true, outputTokens: countTokens(delta) };
  }
  yield { data: JSON.stringify({ type: 'transcript.text.done', text, usage }) };
}
