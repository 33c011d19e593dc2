const hourMs = 3_600_000;
/** Local time is at most 14 hours ahead of UTC and 12 behind it, and zones have changed sides: a day more on each side. */
const reachMs = 38 * hourMs;
/** Two changes of one zone never lie closer together. */
const stepMs = 6 * hourMs;

/** The local time of a place. Local times are written as if they were UTC, in milliseconds since the epoch. */
export interface TimeZone {
  /** What the clocks show at an instant. */
  localMs(instantMs: number): number;
  /**
   * The first instant at which the clocks show a local time or a later one: for a time that occurs twice the first, for
   * a skipped one the first after the gap.
   */
  firstInstantMs(localMs: number): number;
}

// A formatter costs 100 µs and some kilobytes, and is the same for everybody. Bounded by the zones that exist: an
// unknown name throws, and spellings are limited.
const zones = new Map<string, TimeZone>();
const maxZones = 1_000;
/** First instants remembered for each zone. */
const maxFound = 256;

/**
 * The local time of a zone of the IANA database, by its name, from the data of the JavaScript engine.
 *
 * @throws RangeError for an unknown name
 */
export function timeZoneOf(name: string): TimeZone {
  const known = zones.get(name);
  if (known) return known;
  const zone = createTimeZone(name);
  if (zones.size >= maxZones) zones.clear();
  zones.set(name, zone);
  return zone;
}

function createTimeZone(name: string): TimeZone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });

  function offsetMs(instantMs: number): number {
    const seconds = Math.floor(instantMs / 1_000) * 1_000;
    const fields: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(seconds)) fields[type] = Number(value);
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = fields;
    return Date.UTC(year, month - 1, day, hour, minute, second) - seconds;
  }

  /** The first instant after `fromMs` with another offset; there is one up to `untilMs`. */
  function changeMs(fromMs: number, untilMs: number, offset: number): number {
    let before = fromMs;
    let after = untilMs;
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (offsetMs(middle) === offset) before = middle;
      else after = middle;
    }
    return after;
  }

  // at midnight all limits with a calendar ask for the same few instants
  const found = new Map<number, number>();

  return {
    localMs: (instantMs) => instantMs + offsetMs(instantMs),
    firstInstantMs(localMs) {
      const known = found.get(localMs);
      if (known !== undefined) return known;
      const instantMs = findFirstMs(localMs);
      if (found.size >= maxFound) found.clear();
      found.set(localMs, instantMs);
      return instantMs;
    },
  };

  function findFirstMs(localMs: number): number {
    let fromMs = localMs - reachMs;
    let offset = offsetMs(fromMs);
    // between two changes of the offset local time passes evenly: the first stretch that reaches it has the instant
    for (let untilMs = fromMs + stepMs; ; untilMs += stepMs) {
      const next = offsetMs(untilMs);
      const endMs = next === offset ? untilMs : changeMs(fromMs, untilMs, offset);
      const reachedMs = Math.max(fromMs, localMs - offset);
      if (reachedMs < endMs) return reachedMs;
      fromMs = endMs;
      if (next !== offset && Math.max(endMs, localMs - next) < untilMs)
        return Math.max(endMs, localMs - next);
      fromMs = untilMs;
      offset = next;
    }
  }
}
