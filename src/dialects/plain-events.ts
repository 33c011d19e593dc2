/**
 * How many events a text of whole events consists of, where each is what most of a stream is: the same beginning, an object in
 * one line, a blank line. 0 where any is not: then they have to be parsed. Ten events are told in the time in which
 * one is parsed.
 *
 * @param head what all of them begin with, to the brace: `data: {`
 * @param maxBytes of an event
 */
export function countPlainEvents(text: string, head: string, maxBytes: number): number {
  const isCrlf = text.indexOf('\r') >= 0;
  let count = 0;
  for (let start = 0; start < text.length; count++) {
    if (!text.startsWith(head, start)) return 0;
    const end = endOfLine(text, start + head.length, isCrlf);
    if (text.charCodeAt(end - 1) !== closingBrace || end - start > maxBytes) return 0;
    if (isCrlf ? !text.startsWith(blankCrlf, end) : text.charCodeAt(end + 1) !== lineFeed) return 0;
    start = end + (isCrlf ? 4 : 2);
  }
  return count;
}

/** Where the line ends; -1 where it ends otherwise than all are said to. */
function endOfLine(text: string, from: number, isCrlf: boolean): number {
  const end = text.indexOf('\n', from);
  if (!isCrlf) return end;
  // a line may end with a CR alone, too
  return text.indexOf('\r', from) === end - 1 ? end - 1 : -1;
}

const closingBrace = 0x7d;
const lineFeed = 0x0a;
const blankCrlf = '\r\n\r\n';
