import type { Gateway } from 'headgate';
import type { FakeUpstream, Fault, RecordedRequest } from 'headgate/testing';
import type { modelDialects, Team } from './configuration.ts';
import type { Evidence } from './evidence.ts';
import { brokenReplies, echoingFaults } from './upstream-faults.ts';

/** The keys that requests are sent with. */
export interface TrafficKeys {
  readonly team: Readonly<Record<Team, string>>;
  readonly revoked: string;
  readonly expired: string;
  /** Replaced, and not accepted any more. */
  readonly rotated: string;
  /** Replaced, and still accepted. */
  readonly graced: string;
  /** Of the form of a key, with another secret than the key has. */
  readonly wrong: string;
  /** With a character missing. */
  readonly malformed: string;
  /** Hashed under the pepper before. */
  readonly oldPepper: string;
  /** A token of the identity provider, a wrong one, and one that has expired. */
  readonly tokens: readonly string[];
  readonly badTokens: readonly string[];
}

/** What requests are made of. */
export interface TrafficOptions {
  readonly label: string;
  readonly gateway: Pick<Gateway, 'fetch'>;
  readonly upstream: FakeUpstream;
  readonly evidence: Evidence;
  readonly keys: TrafficKeys;
  readonly prompt: string;
  readonly personalData: string;
  /** A caller's own subscription token. */
  readonly subscription: string;
}

type Model = keyof typeof modelDialects;

interface Sending {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly method?: string;
}

/** Sends a request in every way that these tests know of, and keeps what callers see. The result: status by name. */
export async function runTraffic(options: TrafficOptions): Promise<Map<string, number>> {
  const { label, gateway, upstream, evidence, keys } = options;
  const statuses = new Map<string, number>();
  let current: ((request: RecordedRequest) => Fault | undefined) | undefined;
  upstream.fail((request) => current?.(request));

  const send = async (name: string, path: string, { headers = {}, body, method }: Sending = {}) => {
    const request = new Request(`http://gateway.test${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body }),
    });
    const response = await gateway.fetch(request);
    const source = `${label}: ${name}`;
    evidence.add('reply headers', source, JSON.stringify([...response.headers]));
    let text = '';
    try {
      for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString('latin1');
    } catch (error) {
      evidence.addObject('thrown errors', source, error);
    }
    evidence.add('reply bodies', source, Buffer.from(text, 'latin1'));
    statuses.set(name, response.status);
  };

  const ask = (name: string, key: string, model: string, stream = false, more: Sending = {}) => {
    const { path, body } = toQuestion(model, stream, options);
    const version = model.startsWith('claude') && { 'anthropic-version': '2023-06-01' };
    const headers = { 'x-headgate-key': key, ...version, ...more.headers };
    return send(name, path, { ...more, headers, body: more.body ?? body });
  };

  const { team } = keys;
  const models: Model[] = ['gpt-4.1', 'claude-sonnet', 'gemini-flash'];
  const subscriber = { headers: { authorization: `Bearer ${options.subscription}` } };
  const payers = [
    ['standard', team.standard, models, {}],
    ['own', team.own, ['gpt-4.1', 'claude-sonnet'], {}],
    ['subscribed', team.subscribed, ['claude-sonnet'], subscriber],
  ] as const;
  for (const [payer, key, theirs, more] of payers) {
    for (const model of theirs) {
      await ask(`success: ${payer} ${model}`, key, model, false, more);
      await ask(`success: ${payer} ${model} stream`, key, model, true, more);
    }
  }
  for (const [index, token] of keys.tokens.entries()) {
    const { path, body } = toQuestion('gpt-4.1', false, options);
    await send(`success: token ${index}`, path, { headers: { authorization: `Bearer ${token}` }, body });
  }
  await ask('success: graced', keys.graced, 'gpt-4.1');
  await ask('success: old pepper', keys.oldPepper, 'gpt-4.1');
  const idempotent = { headers: { 'idempotency-key': 'canary-1' } };
  await ask('success: idempotent', team.standard, 'gpt-4.1', false, idempotent);
  await ask('success: idempotent again', team.standard, 'gpt-4.1', false, idempotent);
  await ask('refused: idempotent, other body', team.standard, 'gpt-4.1', true, idempotent);
  await send('success: models', '/v1/models', { headers: { authorization: `Bearer ${team.standard}` } });
  await send('success: health', '/');

  await refusals(options, send, ask);

  for (const [payer, key, theirs, more] of payers) {
    for (const model of theirs) {
      for (const [name, toFault] of brokenReplies) {
        current = () => toFault;
        await ask(`broken: ${payer} ${model} ${name}`, key, model, true, more);
        await ask(`broken: ${payer} ${model} ${name} whole`, key, model, false, more);
      }
      for (const [name, toFault] of echoingFaults) {
        current = (request) => toFault(credentialOf(request));
        await ask(`echo: ${payer} ${model} ${name}`, key, model, name.startsWith('stream'), more);
      }
    }
  }
  current = undefined;
  return statuses;
}

/** Requests that the gateway itself answers with an error. */
async function refusals(
  options: TrafficOptions,
  send: (name: string, path: string, sending?: Sending) => Promise<void>,
  ask: (name: string, key: string, model: string, stream?: boolean, more?: Sending) => Promise<void>,
): Promise<void> {
  const { keys, prompt, personalData } = options;
  const { team } = keys;
  const good = team.standard;
  for (const name of ['revoked', 'expired', 'rotated', 'wrong', 'malformed'] as const) {
    for (const model of ['gpt-4.1', 'claude-sonnet', 'gemini-flash']) {
      await ask(`refused: ${name} ${model}`, keys[name], model);
    }
    await send(`refused: ${name} by another header`, '/v1/models', { headers: { 'api-key': keys[name] } });
  }
  for (const [index, token] of keys.badTokens.entries()) {
    await send(`refused: token ${index}`, '/v1/models', { headers: { authorization: `Bearer ${token}` } });
  }
  const { path, body } = toQuestion('gpt-4.1', false, options);
  await send('refused: no key', path, { body });
  await send('refused: basic', path, { headers: { authorization: `Basic ${btoa(`x:${good}`)}` }, body });
  await send('refused: key twice', path, {
    headers: { authorization: `Bearer ${good}`, 'x-api-key': keys.wrong },
    body,
  });
  await send('refused: key in query', `${path}?key=${good}`, { body });
  await send('refused: key in path', `/v1/${good}/chat/completions`, { body });
  await send('refused: key in gemini query', `/v1beta/models/gemini-flash:generateContent?key=${good}`, {
    body,
  });
  await send('refused: long key', path, { headers: { authorization: `Bearer ${good.repeat(9)}` }, body });
  await send('refused: method', path, { headers: { authorization: `Bearer ${good}` }, method: 'PUT', body });
  await send('refused: endpoint', '/v1/nothing', { headers: { authorization: `Bearer ${good}` }, body });
  await ask('refused: unknown model', good, 'no-such-model');
  await ask('refused: disabled model', good, 'gpt-off');
  await ask('refused: too dear', good, 'gpt-dear');
  await ask('refused: not in the profile', team.narrow, 'gpt-4.1');
  await ask('refused: no metadata', team.strict, 'gpt-4.1');
  const badMetadata = { headers: { 'x-headgate-metadata': `{"note": "${prompt}` } };
  await ask('refused: broken metadata', team.strict, 'gpt-4.1', false, badMetadata);
  await ask('refused: nobody pays', team.own, 'gemini-flash');
  await ask('refused: no subscription', team.subscribed, 'claude-sonnet');
  await ask('success: within the limit', team.limited, 'gpt-4.1');
  await ask('refused: over the limit', team.limited, 'gpt-4.1');
  const bodies = {
    'broken JSON': `{"model":"gpt-4.1","messages":[{"role":"user","content":"${prompt}"`,
    'stray text': `{"model":"gpt-4.1", ${prompt} "user":"${personalData}"}`,
    'no object': JSON.stringify([prompt]),
    'no model': JSON.stringify({ messages: [{ role: 'user', content: prompt }], user: personalData }),
    'model of another type': JSON.stringify({ model: { name: prompt }, user: personalData }),
    'member twice': `{"model":"gpt-4.1","user":"${personalData}","user":"${prompt}"}`,
    'too deep': `{"model":"gpt-4.1","text":"${prompt}","deep":${'['.repeat(100)}${']'.repeat(100)}}`,
    'too large': JSON.stringify({ model: 'gpt-4.1', text: prompt.repeat(3_000) }),
    'stream of another type': JSON.stringify({ model: 'gpt-4.1', stream: prompt, messages: prompt }),
  };
  for (const [name, text] of Object.entries(bodies)) {
    await ask(`refused: ${name}`, good, 'gpt-4.1', false, { body: text });
    await ask(`refused: ${name} for anthropic`, good, 'claude-sonnet', false, { body: text });
    await ask(`refused: ${name} for gemini`, good, 'gemini-flash', false, { body: text });
  }
}

/** A question in the dialect of its model; it holds the prompt and personal data. */
export function toQuestion(
  model: string,
  stream: boolean,
  { prompt, personalData }: Pick<TrafficOptions, 'prompt' | 'personalData'>,
): { path: string; body: string } {
  const text = `${prompt} for ${personalData}`;
  if (model.startsWith('gemini')) {
    const action = stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
    const contents = [{ role: 'user', parts: [{ text }] }];
    return { path: `/v1beta/models/${model}:${action}`, body: JSON.stringify({ contents }) };
  }
  const messages = [{ role: 'user', content: text }];
  if (model.startsWith('claude')) {
    const metadata = { user_id: personalData };
    const body = { model, max_tokens: 64, messages, metadata, ...(stream && { stream }) };
    return { path: '/v1/messages', body: JSON.stringify(body) };
  }
  const body = { model, messages, user: personalData, ...(stream && { stream }) };
  return { path: '/v1/chat/completions', body: JSON.stringify(body) };
}

function credentialOf({ headers }: RecordedRequest): string {
  const value = headers.authorization ?? headers['x-api-key'] ?? headers['x-goog-api-key'];
  return String(value).replace(/^Bearer /, '');
}
