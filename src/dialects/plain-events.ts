/**
 * How many events a text of whole events consists of, where each is what most of a stream is: the same beginning, an object in
 * one line, a blank line. 0 where any is not: then they have to be parsed. Ten events are told in the time in which
 * one is parsed.
 *
 * @param head what all of them begin with, to the brace: `data: {`
 * @param maxBytes of an event
 */
export function countPlainEvents(text: string, head: string, maxBytes: number): number {
  // a line may end with it, too
  if (text.indexOf('\r') >= 0) return 0;
  let count = 0;
  for (let start = 0; start < text.length; count++) {
    if (!text.startsWith(head, start)) return 0;
    const end = text.indexOf('\n', start + head.length);
    const isOne = text.charCodeAt(end - 1) === closingBrace && text.charCodeAt(end + 1) === lineFeed;
    if (end < 0 || !isOne || end - start > maxBytes) return 0;
    start = end + 2;
  }
  return count;
}

const closingBrace = 0x7d;
const lineFeed = 0x0a;
