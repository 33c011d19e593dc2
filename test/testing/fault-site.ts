import { afterAll, beforeEach } from 'vitest';
import { createFakeUpstream } from '../../src/testing/fake-upstream/index.ts';
import { contentOf, createPlainClient } from './plain-client.ts';

export const chat = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Grüße' }] };
export const stream = { ...chat, stream: true, stream_options: { include_usage: true } };

/** A fake upstream for the tests of a file, forgetful between them, and the sentence that it answers `stream` with. */
export async function openFaultSite() {
  const upstream = await createFakeUpstream();
  beforeEach(() => upstream.reset());
  afterAll(() => upstream.close());
  const client = createPlainClient(upstream.url);
  const sentence = contentOf((await client.send(stream)).text);
  return { upstream, ...client, sentence };
}
