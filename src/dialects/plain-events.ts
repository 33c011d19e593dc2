/**
 * Where the event at `start` ends, if it looks like most of a stream: this head, an object on one line, a blank line.
 * Otherwise -1: then it has to be parsed, which takes ten times as long.
 *
 * @param head what it begins with, up to the brace: `data: {`
 * @param maxBytes of an event
 */
export function endOfPlainEvent(text: string, start: number, head: string, maxBytes: number): number {
  if (!text.startsWith(head, start)) return -1;
  const bodyStart = start + head.length;
  const lineEnd = text.indexOf('\n', bodyStart);
  // a line may end with CRLF, or with a CR alone
  const cr = text.slice(bodyStart, lineEnd).indexOf('\r');
  const bodyEnd = cr < 0 ? lineEnd : bodyStart + cr;
  if (text.charCodeAt(bodyEnd - 1) !== closingBrace || bodyEnd - start > maxBytes) return -1;
  const blank = cr < 0 ? '\n\n' : '\r\n\r\n';
  return text.startsWith(blank, bodyEnd) ? bodyEnd + blank.length : -1;
}

const closingBrace = 0x7d;
