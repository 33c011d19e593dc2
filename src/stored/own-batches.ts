import type { GatewayReply, ReplyBody } from '../message.ts';

/** Longest list that is looked through. A page has at most 1,000 batches of some 700 bytes. */
const maxListBytes = 4 * 1_024 * 1_024;

/** A page of the list of batches with those that may be seen, and the provider's own cursors. */
export async function withOwnBatches(
  reply: GatewayReply,
  isVisible: (id: string) => Promise<boolean>,
): Promise<GatewayReply> {
  if (reply.status !== 200) return reply;
  const page = parse(await collect(reply.body)) as { readonly data?: unknown } | undefined;
  const batches = Array.isArray(page?.data) ? (page.data as { readonly id?: unknown }[]) : [];
  const visible = await Promise.all(batches.map(({ id }) => isVisible(String(id))));
  const body = Buffer.from(JSON.stringify({ ...page, data: batches.filter((_, index) => visible[index]) }));
  const { 'content-length': _, ...headers } = reply.headers;
  return { ...reply, headers, body };
}

async function collect(body: ReplyBody): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxListBytes) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** What cannot be read shows nobody's batches. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}
