/** What a part of a message holds other than text. */
export type MediaKind = 'image' | 'audio' | 'video' | 'file';

/**
 * Tokens of media by their kind and size. Providers count them by dimensions, duration or pages, which cannot be known
 * without decoding; these are on the high side of what is published for each kind.
 *
 * @param bytes decoded size; undefined for media that are only referenced
 */
export function countMediaTokens(kind: MediaKind, bytes: number | undefined): number {
  const { atLeast, bytesPerToken, elsewhere } = rates[kind];
  return bytes === undefined ? elsewhere : Math.max(atLeast, Math.ceil(bytes / bytesPerToken));
}

const rates: Readonly<
  Record<MediaKind, { readonly atLeast: number; readonly bytesPerToken: number; readonly elsewhere: number }>
> = {
  // an image of a megapixel or two; larger files are larger images, up to what providers scale down to
  image: { atLeast: 1_600, bytesPerToken: 512, elsewhere: 1_600 },
  // 32 tokens a second, at 32 kbit/s
  audio: { atLeast: 32, bytesPerToken: 125, elsewhere: 4_000 },
  // 300 tokens a second, at half a megabit a second
  video: { atLeast: 300, bytesPerToken: 200, elsewhere: 20_000 },
  // a page of a document is 3,000 tokens as text and image, in 50 kB
  file: { atLeast: 3_000, bytesPerToken: 16, elsewhere: 6_000 },
};

/** The kind that a media type or a data URL names: `image/png`, `data:audio/wav;base64,…`. */
export function mediaKindOf(type: string): MediaKind {
  const name = type.startsWith('data:') ? type.slice(5) : type;
  if (name.startsWith('image/')) return 'image';
  if (name.startsWith('audio/')) return 'audio';
  return name.startsWith('video/') ? 'video' : 'file';
}
