import type { GatewayReply, ReplyBody } from '../message.ts';

/** Longest list that is searched when it comes in chunks. A page has at most 1,000 batches of some 700 bytes. */
const maxListBytes = 4 * 1_024 * 1_024;

const mostOfPage = 1_000;

/** A requested page. */
export interface Page {
  /** Sent to the provider. */
  readonly query: string;
  /** The most that the caller wants. */
  readonly limit: number;
  /** Whether the batches before a given one are wanted. */
  readonly isBackwards: boolean;
}

/** Asks for as many as a page can have, since most may be others'. */
export function toWidePage(query: string): Page {
  const asked = new URLSearchParams(query);
  const limit = Number(asked.get('limit') ?? 20);
  const isBackwards = asked.has('before_id');
  // the provider refuses an invalid limit
  if (!(limit >= 1 && limit <= mostOfPage)) return { query, limit: mostOfPage, isBackwards };
  asked.set('limit', String(mostOfPage));
  return { query: `?${asked}`, limit, isBackwards };
}

/** A page of the list of batches with only the visible ones, and their cursors: the provider's would reveal others. */
export async function withOwnBatches(
  reply: GatewayReply,
  { limit, isBackwards }: Page,
  isVisible: (id: string) => Promise<boolean>,
): Promise<GatewayReply> {
  if (reply.status !== 200) return reply;
  const page = parse(await collect(reply.body)) as
    | { readonly data?: unknown; readonly has_more?: unknown }
    | undefined;
  const batches = Array.isArray(page?.data) ? (page.data as { readonly id?: unknown }[]) : [];
  const isSeen = await Promise.all(batches.map(({ id }) => isVisible(String(id))));
  const visible = batches.filter((_, index) => isSeen[index]);
  const data = isBackwards ? visible.slice(-limit) : visible.slice(0, limit);
  const cursors = {
    has_more: data.length < visible.length || (page?.has_more === true && data.length > 0),
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  };
  const body = Buffer.from(JSON.stringify({ ...page, data, ...cursors }));
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

/** An unreadable page shows no batches. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}
