import type { OddFormat, UsageHow } from './faults.ts';

/** The events of a stream in another form that means the same. */
export function* toOddFormat(events: readonly Buffer[], how: OddFormat): Generator<Buffer> {
  let line = 0;
  const endings = ['\n', '\r\n', '\r'];
  for (const [index, event] of events.entries()) {
    const text = event.toString().replaceAll('\r\n', '\n');
    switch (how) {
      case 'crlf':
        yield Buffer.from(text.replaceAll('\n', '\r\n'));
        break;
      case 'cr':
        yield Buffer.from(text.replaceAll('\n', '\r'));
        break;
      case 'mixed':
        // an event in one ending, the next in another, so that what ends an event stays a blank line
        yield Buffer.from(text.replaceAll('\n', endings[line++ % endings.length] as string));
        break;
      case 'comments':
        yield Buffer.from(`: keep-alive\n\n${text}`);
        break;
      case 'bom':
        yield Buffer.from(index === 0 ? `\uFEFF${text}` : text);
        break;
      case 'many-data-lines':
        yield Buffer.from(text.replace(/^(data: \{"[^"]+":)(?=[^\n]*\}$)/m, '$1\ndata: '));
        break;
      case 'unknown-events':
        yield Buffer.from(`event: invented.tomorrow\ndata: {"type":"invented.tomorrow","x":1}\n\n${text}`);
        break;
    }
  }
}

const members = ['usage', 'usageMetadata'];

/** The bytes with another usage, be it JSON or an event. */
export function falsifyUsage(bytes: Buffer, how: UsageHow): Buffer {
  const text = bytes.toString();
  if (!members.some((name) => text.includes(`"${name}"`))) return bytes;
  const start = text.indexOf('{');
  const end = text.lastIndexOf('}') + 1;
  const value: unknown = JSON.parse(text.slice(start, end));
  falsify(value, how);
  return Buffer.from(text.slice(0, start) + JSON.stringify(value) + text.slice(end));
}

function falsify(value: unknown, how: UsageHow): void {
  if (typeof value !== 'object' || value === null) return;
  const holder = value as Record<string, unknown>;
  for (const [name, member] of Object.entries(holder)) {
    if (!members.includes(name)) falsify(member, how);
    else if (how === 'missing') delete holder[name];
    else holder[name] = mapNumbers(member, how);
  }
}

function mapNumbers(value: unknown, how: UsageHow): unknown {
  if (typeof value === 'number') {
    if (how === 'negative') return -1 - value;
    if (how === 'text') return `${value} tokens`;
    return how === 'huge' ? 1e308 : value * 1_000;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => mapNumbers(item, how));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, mapNumbers(member, how)]));
}
