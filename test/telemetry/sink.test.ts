import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createFunctionSink,
  createJsonlSink,
  createMemorySink,
  type RequestRecord,
  type UsageSink,
} from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { chat, readText, startGateway, until } from '../harness.ts';
import { record } from './record.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-sink-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = () => join(folder, `${++files}.jsonl`);
const linesOf = (path: string): RequestRecord[] =>
  readFileSync(path, 'utf8')
    .split(/(?<=\n)/)
    .map((line) => {
      expect(line.endsWith('\n')).toBe(true);
      return JSON.parse(line);
    });
const idsOf = (path: string) => linesOf(path).map(({ id }) => id);

describe('the memory sink', () => {
  it('keeps the last records, oldest first', () => {
    const sink = createMemorySink({ max: 3 });
    expect(sink.records).toEqual([]);
    for (let index = 1; index <= 7; index++) {
      sink.write(record(`r${index}`));
      const expected = Array.from({ length: Math.min(3, index) }, (_, back) => `r${index - back}`).reverse();
      expect(sink.records.map(({ id }) => id)).toEqual(expected);
    }
  });
});

describe('the JSON Lines sink', () => {
  it('appends each record as one whole line, in order, whatever is in it', async () => {
    const path = newPath();
    const sink = createJsonlSink(path);
    const odd = 'line\nbreak \u2028 "quote" \\ 世界 \ud800';
    sink.write(record('odd', { user: odd }));
    for (let index = 0; index < 500; index++) sink.write(record(`r${index}`));
    await sink.flush?.();
    expect(idsOf(path)).toEqual(['odd', ...Array.from({ length: 500 }, (_, index) => `r${index}`)]);
    expect(linesOf(path)[0]?.user).toBe(odd);
  });

  it('has stored everything when flush resolves, also what was written while it was writing', async () => {
    const path = newPath();
    const sink = createJsonlSink(path);
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 10; index++) sink.write(record(`r${round * 10 + index}`));
      await Promise.resolve();
      if (round % 5 === 4) {
        await sink.flush?.();
        expect(idsOf(path)).toHaveLength((round + 1) * 10);
      }
    }
    await sink.flush?.();
    await sink.flush?.();
    expect(new Set(idsOf(path)).size).toBe(200);
  });

  it('writes without being flushed', async () => {
    const path = newPath();
    createJsonlSink(path).write(record('alone'));
    await until(() => {
      try {
        return idsOf(path).length === 1;
      } catch {
        return false;
      }
    });
  });

  it('survives a disk that refuses, tells of it, and stores what it kept once the disk is well', async () => {
    const place = join(folder, 'later');
    const path = join(place, 'usage.jsonl');
    const errors: unknown[] = [];
    const sink = createJsonlSink(path, { onError: (error) => errors.push(error) });
    sink.write(record('one'));
    await sink.flush?.();
    sink.write(record('two'));
    await sink.flush?.();
    expect(errors.length).toBeGreaterThanOrEqual(2);
    expect(errors[0]).toMatchObject({ code: 'ENOENT' });
    mkdirSync(place);
    sink.write(record('three'));
    await sink.flush?.();
    expect(idsOf(path)).toEqual(['one', 'two', 'three']);
  });

  it('tries again a second later where no record comes that it could be tried with', async () => {
    const place = join(folder, 'alone-later');
    const path = join(place, 'usage.jsonl');
    const runtime = createVirtualRuntime();
    const sink = createJsonlSink(path, { runtime });
    sink.write(record('one'));
    await sink.flush?.();
    mkdirSync(place);
    runtime.advance(999);
    expect(existsSync(path)).toBe(false);
    runtime.advance(1);
    await vi.waitFor(() => expect(idsOf(path)).toEqual(['one']), 60_000);
  });

  it('keeps at most maxPending lines while the disk refuses, the newest, and counts the others', async () => {
    const place = join(folder, 'full');
    const path = join(place, 'usage.jsonl');
    let dropped = 0;
    const sink = createJsonlSink(path, {
      maxPending: 5,
      onError: (_, count) => {
        dropped = count;
      },
    });
    for (let index = 0; index < 12; index++) {
      sink.write(record(`r${index}`));
      if (index % 3 === 0) await sink.flush?.();
    }
    await sink.flush?.();
    expect(dropped).toBe(7);
    mkdirSync(place);
    sink.write(record('r12'));
    await sink.flush?.();
    expect(idsOf(path)).toEqual(['r8', 'r9', 'r10', 'r11', 'r12']);
  });

  it('of a gateway is flushed by close', async () => {
    const path = newPath();
    const { gateway, send } = await startGateway(undefined, { sink: createJsonlSink(path) });
    for (let index = 0; index < 5; index++) await readText(await send('/v1/chat/completions', chat()));
    await gateway.close();
    expect(idsOf(path)).toHaveLength(5);
  });
});

describe('the function sink', () => {
  it('hands records on, and waits in flush for those that take time', async () => {
    const stored: string[] = [];
    const open: (() => void)[] = [];
    const sink = createFunctionSink(async ({ id }) => {
      await new Promise<void>((resolve) => open.push(resolve));
      stored.push(id);
    });
    sink.write(record('a'));
    sink.write(record('b'));
    const flushing = sink.flush?.();
    expect(stored).toEqual([]);
    for (const resolve of open) resolve();
    await flushing;
    expect(stored).toEqual(['a', 'b']);
  });

  it('gives to onError what the function throws or rejects with, and to nobody else', async () => {
    const errors: unknown[] = [];
    const failing = [
      () => {
        throw 'thrown';
      },
      async () => {
        throw 'rejected';
      },
    ];
    for (const write of failing) {
      const sink = createFunctionSink(write, (error) => errors.push(error));
      sink.write(record('a'));
      await sink.flush?.();
    }
    createFunctionSink(() => {
      throw new Error('nobody listens');
    }).write(record('a'));
    expect(errors).toEqual(['thrown', 'rejected']);
  });
});

describe('a function sink without types', () => {
  it('may return anything', async () => {
    const errors: unknown[] = [];
    const rows: RequestRecord[] = [];
    const push = (row: RequestRecord): unknown => rows.push(row);
    const sink = createFunctionSink(push as () => void, (error) => errors.push(error));
    sink.write(record('a'));
    await sink.flush?.();
    expect([rows.length, errors]).toEqual([1, []]);
  });
});

describe('whoever is told of what a sink could not store', () => {
  const fail = () => {
    throw new Error('the logger is broken, too');
  };

  it('stops nothing by throwing: a file is tried again', async () => {
    const runtime = createVirtualRuntime();
    const path = join(folder, `missing-${++files}`, 'x.jsonl');
    const sink = createJsonlSink(path, { runtime, onError: fail });
    sink.write(record('a'));
    await sink.flush?.();
    mkdirSync(join(path, '..'));
    await runtime.advanceAsync(1_000);
    await sink.flush?.();
    expect(idsOf(path)).toEqual(['a']);
  });

  it('stops nothing by throwing: a function is told of the next record', async () => {
    const seen: string[] = [];
    const sink = createFunctionSink(async ({ id }) => {
      seen.push(id);
      throw new Error('refused');
    }, fail);
    for (const id of ['a', 'b']) sink.write(record(id));
    await sink.flush?.();
    expect(seen).toEqual(['a', 'b']);
  });
});

describe('a sink that breaks', () => {
  it.each<[string, UsageSink | ((row: RequestRecord) => void | Promise<void>)]>([
    [
      'by throwing',
      {
        write() {
          throw new Error('secret detail');
        },
      },
    ],
    [
      'as a function that throws',
      () => {
        throw new Error('secret detail');
      },
    ],
    ['as a function that rejects', () => Promise.reject(new Error('secret detail'))],
  ])('%s never reaches a caller: whole, streamed, refused', async (_, sink) => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    const { send } = await startGateway(undefined, { sink });
    expect((await send('/v1/chat/completions', chat())).status).toBe(200);
    expect(await readText(await send('/v1/chat/completions', chat({ stream: true })))).toContain('[DONE]');
    expect((await send('/v1/chat/completions', chat({ model: 'none' }))).status).toBe(404);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });
});
