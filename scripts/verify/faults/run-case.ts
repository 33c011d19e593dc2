import { checkCaller, type Texts } from './check-caller.ts';
import { checkCharge, checkRecord, checkSecrets, isCount, toCountText } from './check-records.ts';
import type { Dialect } from './dialects.ts';
import { placeFirst } from './places.ts';
import { findRejections } from './rejections.ts';
import { startSite } from './site.ts';
import type { FaultCase } from './table/row.ts';
import { startFaultUpstream } from './upstream/fault-upstream.ts';
import { toProviderWords } from './upstream/provider-words.ts';
import { recordTapes, type Tapes } from './upstream/tape.ts';

/** What came of one case in one dialect, streamed or not. */
export interface CaseResult {
  /** What is not as expected. */
  readonly findings: readonly string[];
  readonly headMs: number;
  readonly totalMs: number;
}

/** What the two targets answer where nothing goes wrong. */
export interface Recordings {
  readonly first: Tapes;
  readonly second: Tapes;
  readonly texts: Texts;
}

/** The same words from both, so that one can go on where the other ended; told apart by the name of the model. */
export const answerText =
  'The quick brown fox jumps over the lazy dog, and the ünicode snowman ☃ watches it for forty-two days.';

const recordings = new Map<Dialect, Promise<Recordings>>();

/** The tapes of a dialect, recorded once. */
export function toRecordings(dialect: Dialect): Promise<Recordings> {
  let found = recordings.get(dialect);
  if (!found) {
    found = record(dialect);
    recordings.set(dialect, found);
  }
  return found;
}

async function record(dialect: Dialect): Promise<Recordings> {
  const first = await recordTapes(dialect, { text: answerText, model: 'model-first' });
  const second = await recordTapes(dialect, { text: answerText, model: 'model-second' });
  return { first, second, texts: { first: answerText, second: answerText } };
}

/** What a first target has said when its fault comes. */
function toBeginning({ stream }: Tapes, { faults }: FaultCase, dialect: Dialect): string {
  const [fault] = faults;
  const after = fault && 'after' in fault ? fault.after : 0;
  const content = stream.events.filter((_, index) => stream.isContent[index]).slice(0, after);
  return content.map((event) => dialect.textOfEvent(event.toString())).join('');
}

function countContent(body: Buffer, dialect: Dialect): number {
  return body
    .toString()
    .split(/\r?\n\r?\n/)
    .filter((event) => dialect.textOfEvent(event) !== '').length;
}

const settleMs = 2_000;

/** Runs one case and looks at it from both sides; at the time that it took only where `isTimed`. */
export async function runCase(
  faultCase: FaultCase,
  dialect: Dialect,
  stream: boolean,
  isTimed: boolean,
): Promise<CaseResult> {
  const { first: firstTapes, second: secondTapes, texts } = await toRecordings(dialect);
  const words = toProviderWords(dialect);
  const { place, address } = await placeFirst(faultCase.place, { tapes: firstTapes, ...words });
  const hasSecond = faultCase.second !== undefined && faultCase.second !== 'none';
  const isGoneOn = faultCase.policy?.rescue?.includes('continue') ?? false;
  const begun = isGoneOn ? toBeginning(firstTapes, faultCase, dialect) : '';
  // who goes on says the rest, and nothing else
  const goneOn = isGoneOn
    ? await recordTapes(dialect, { text: answerText.slice(begun.length), model: 'model-second' })
    : secondTapes;
  const second = await startFaultUpstream({ tapes: goneOn, ...words });
  if (Array.isArray(faultCase.second)) second.script(...faultCase.second);
  const site = await startSite({
    dialect,
    targets: hasSecond ? [address, `http://127.0.0.1:${second.port}`] : [address],
    policy: faultCase.policy,
    // one connection, so that what comes before is on the same
    maxSockets: 1,
  });
  const rejections = findRejections();
  const findings: string[] = [];
  try {
    const before = faultCase.before ?? 0;
    for (let index = 0; index < before; index++) await site.ask(stream);
    place?.script(...faultCase.faults);
    const seenBefore = place?.seen.length ?? 0;
    const got = await site.ask(stream);
    await until(() => site.records.length > before && site.journal.open === 0);
    const { expect } = faultCase;
    const records = site.records.slice(before);
    if (records.length !== 1) findings.push(`${records.length} records, not 1`);
    findings.push(...checkCaller(got, stream, dialect, expect.caller, texts));
    const record = records[0];
    if (record) {
      const actual = dialect.tokensOfReply(JSON.parse(firstTapes.whole.body.toString()));
      findings.push(...checkRecord(record, got, expect));
      const delivered = stream ? countContent(got.body, dialect) : 0;
      findings.push(...checkCharge(site, record, expect.charged, { actual, delivered }));
    }
    const reached = [(place?.seen.length ?? 0) - seenBefore, second.seen.length];
    const wanted = [expect.first, expect.second ?? 0] as const;
    for (const [index, name] of ['first', 'second'].entries()) {
      const count = wanted[index] ?? 0;
      if (!isCount(reached[index] ?? 0, count))
        findings.push(`${reached[index]} requests reached the ${name} target, not ${toCountText(count)}`);
    }
    const asked = second.seen[0]?.body.toString();
    if (isGoneOn && hasSecond && !(asked && JSON.stringify(JSON.parse(asked)).includes(begun)))
      findings.push('who goes on was not told what had been said');
    findings.push(...checkSecrets(site, [got], [...(place?.seen ?? []), ...second.seen]));
    if (isTimed && expect.withinMs !== undefined && got.totalMs > expect.withinMs)
      findings.push(`it took ${got.totalMs.toFixed(0)} ms, more than ${expect.withinMs}`);
    return { findings, headMs: got.headMs, totalMs: got.totalMs };
  } catch (error) {
    return { findings: [...findings, `it threw ${(error as Error).message}`], headMs: 0, totalMs: 0 };
  } finally {
    await site.close();
    await place?.close();
    await second.close();
    findings.push(...(await rejections.end()));
  }
}

async function until(holds: () => boolean): Promise<void> {
  const untilMs = performance.now() + settleMs;
  while (!holds() && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 2));
}
