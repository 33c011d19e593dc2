import type { Evidence, Piece } from './evidence.ts';
import { formsOf } from './forms.ts';
import type { Sentinel } from './sentinels.ts';

/** A sentinel, or a part of one, where it was seen. */
export interface Finding {
  readonly sentinel: string;
  readonly place: string;
  readonly source: string;
  readonly form: string;
  /** What stands around it. */
  readonly excerpt: string;
}

interface Window {
  readonly text: string;
  readonly sentinel: string;
  readonly form: string;
}

const prefixLength = 12;

/**
 * Looks for every sentinel in every piece of evidence, in each of its forms and in any part of 12 characters or more.
 * A sentinel is reported once for each piece.
 */
export function sweep(evidence: Evidence, sentinels: readonly Sentinel[]): Finding[] {
  const windows = toWindows(sentinels);
  return evidence.pieces.flatMap((piece) => [...search(piece, windows).values()]);
}

/** By their first characters, so that one walk over a text finds them all. */
function toWindows(sentinels: readonly Sentinel[]): Map<string, Window[]> {
  const windows = new Map<string, Window[]>();
  for (const { name, bytes } of sentinels) {
    for (const form of formsOf(bytes)) {
      for (let start = 0; start + form.window <= form.text.length; start++) {
        const text = form.text.slice(start, start + form.window);
        const prefix = text.slice(0, prefixLength);
        const known = windows.get(prefix) ?? [];
        windows.set(prefix, known);
        known.push({ text, sentinel: name, form: form.name });
      }
    }
  }
  return windows;
}

function search(piece: Piece, windows: ReadonlyMap<string, readonly Window[]>): Map<string, Finding> {
  const found = new Map<string, Finding>();
  // printed bytes are spread over columns and lines
  const packed = piece.text.replace(/\s+/g, '');
  for (const text of packed === piece.text ? [packed] : [piece.text, packed]) {
    for (let start = 0; start + prefixLength <= text.length; start++) {
      const candidates = windows.get(text.slice(start, start + prefixLength));
      const window = candidates?.find((candidate) => text.startsWith(candidate.text, start));
      if (!window || found.has(window.sentinel)) continue;
      const { sentinel, form } = window;
      const excerpt = text.slice(Math.max(0, start - 60), start + 100).replace(/[^\x20-\x7e]/g, '.');
      found.set(sentinel, { sentinel, place: piece.place, source: piece.source, form, excerpt });
    }
  }
  return found;
}
