import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { createAdmission } from '../../src/admission/admission.ts';
import type { Load } from '../../src/admission/load-monitor.ts';
import { createLoadMonitor } from '../../src/admission/load-monitor.ts';
import type { Priority } from '../../src/config/snapshot.ts';
import { chat, makeKey, readJson, startGateway, until } from '../harness.ts';

const options = { maxQueued: 2, maxQueueMs: 1_000, maxLoopDelayMs: 100, maxHeapShare: 0.9 };
const turn = () => new Promise((resolve) => setImmediate(resolve));

function createDoor(maxInFlight = 2) {
  const runtime = createVirtualRuntime();
  let reads = 0;
  const state: { load: Load } = { load: { loopDelayMs: 0, heapShare: 0.5 } };
  const monitor = {
    read() {
      reads++;
      return state.load;
    },
    close() {},
  };
  const admission = createAdmission({ runtime, monitor });
  admission.allow(maxInFlight);
  const log: string[] = [];
  /** A request comes; what becomes of it stands in the log. */
  function come(name: string, priority: Priority = 'interactive') {
    let leave: () => void = () => undefined;
    const whenGone = (listener: () => void) => {
      leave = listener;
      return () => undefined;
    };
    const refuse = (error: { code: string }) => log.push(`${name} ${error.code}`);
    try {
      const waiting = admission.enter(priority, options, whenGone);
      if (!waiting) log.push(`${name} in`);
      else waiting.then(() => log.push(`${name} in`), refuse);
    } catch (error) {
      refuse(error as { code: string });
    }
    return { leave: () => leave() };
  }
  return { runtime, admission, come, log, state, reads: () => reads };
}

describe('admission', () => {
  it('lets as many in as may run, has as many wait as may, and sends the others away', () => {
    const { come, log, admission } = createDoor();
    for (const name of ['a', 'b', 'c', 'd', 'e']) come(name);
    expect([log, admission.queued]).toEqual([['a in', 'b in', 'e overloaded'], 2]);
  });

  it('lets the next one in when one has left, interactive ones before others', async () => {
    const { come, log, admission } = createDoor();
    come('a');
    come('b');
    come('slow', 'batch');
    come('quick');
    admission.leave();
    await turn();
    expect(log).toEqual(['a in', 'b in', 'quick in']);
    admission.leave();
    await turn();
    expect(log.at(-1)).toBe('slow in');
  });

  it('sends away what is not urgent when somebody urgent has no place to wait', async () => {
    const { come, log } = createDoor();
    for (const name of ['a', 'b']) come(name);
    for (const name of ['slow', 'slower']) come(name, 'batch');
    come('quick');
    await turn();
    expect(log).toEqual(['a in', 'b in', 'slower overloaded']);
  });

  it('lets nobody wait for longer than is said, nor who has left', async () => {
    const { come, log, runtime, admission } = createDoor();
    for (const name of ['a', 'b']) come(name);
    come('c');
    come('d').leave();
    await turn();
    await runtime.advanceAsync(1_000);
    expect(log).toEqual(['a in', 'b in', 'd caller_gone', 'c overloaded']);
    expect([admission.queued, runtime.pending]).toEqual([0, 0]);
  });

  it('lets those in who wait as soon as more may be in, and nobody where fewer may', async () => {
    const { come, log, admission } = createDoor();
    for (const name of ['a', 'b', 'c', 'd']) come(name);
    admission.allow(3);
    await turn();
    expect([log, admission.queued]).toEqual([['a in', 'b in', 'c in'], 1]);
    admission.allow(1);
    for (const left of [2, 1]) {
      admission.leave();
      await turn();
      expect([left, log.length]).toEqual([left, 3]);
    }
    admission.leave();
    await turn();
    expect(log.at(-1)).toBe('d in');
  });

  it('sends new requests away while the event loop is late or the heap is full, batches earlier', () => {
    const { come, log, state, runtime } = createDoor(100);
    state.load = { loopDelayMs: 60, heapShare: 0.5 };
    come('a');
    come('b', 'batch');
    runtime.advance(250);
    state.load = { loopDelayMs: 101, heapShare: 0.5 };
    come('c');
    runtime.advance(250);
    state.load = { loopDelayMs: 0, heapShare: 0.86 };
    come('d');
    come('e', 'batch');
    runtime.advance(250);
    state.load = { loopDelayMs: 0, heapShare: 0.91 };
    come('f');
    expect(log).toEqual(['a in', 'b overloaded', 'c overloaded', 'd in', 'e overloaded', 'f overloaded']);
  });

  it('looks at the load four times a second at the most, however many come', () => {
    const { come, reads, runtime } = createDoor(10_000);
    for (let count = 0; count < 1_000; count++) come('x');
    runtime.advance(249);
    come('y');
    expect(reads()).toBe(1);
  });
});

describe('the load of this process', () => {
  it('is told in milliseconds and as a share of the heap', () => {
    const monitor = createLoadMonitor();
    monitor.read();
    const { loopDelayMs, heapShare } = monitor.read();
    monitor.close();
    expect(loopDelayMs).toBeGreaterThanOrEqual(0);
    expect(heapShare).toBeGreaterThan(0);
    expect(heapShare).toBeLessThan(1);
  });
});

describe('a gateway that is full', () => {
  it('says when to come back, in the dialect of its caller, before the body is read', async () => {
    const { send, upstream, gateway } = await startGateway((config) => ({
      ...config,
      admission: { maxInFlight: 1, maxQueued: 0 },
    }));
    upstream.fail({ kind: 'stall' });
    const first = send('/v1/chat/completions', chat());
    await upstream.waitFor(() => true, 60_000);
    const openai = await send('/v1/chat/completions', '{ not even JSON');
    expect([openai.status, openai.headers['retry-after']]).toEqual([503, '1']);
    expect((await readJson(openai)).error.code).toBe('overloaded');
    const anthropic = await send('/v1/messages', '{', { headers: { 'anthropic-version': '2023-06-01' } });
    expect([anthropic.status, (await readJson(anthropic)).error.type]).toEqual([529, 'overloaded_error']);
    await until(() => gateway.records.length === 2);
    await gateway.close({ drainMs: 1 });
    expect((await first).status).toBe(503);
  });

  it('serves whoever waited when there is room again, the urgent first', async () => {
    const { send, upstream } = await startGateway((config) => ({ ...config, admission: { maxInFlight: 1 } }));
    upstream.fail({ kind: 'split', everyBytes: 10_000, delayMs: 60 });
    const order: string[] = [];
    const ask = async (name: string, headers: Record<string, string> = {}) => {
      const reply = await send('/v1/chat/completions', chat(), { headers });
      order.push(`${name} ${reply.status}`);
    };
    const all = [ask('first')];
    await upstream.waitFor(() => true, 60_000);
    all.push(ask('batch', { 'x-headgate-priority': 'batch' }));
    all.push(ask('tagged', { 'x-headgate-metadata': 'priority=batch' }));
    all.push(ask('urgent'));
    await Promise.all(all);
    expect(order).toEqual(['first 200', 'urgent 200', 'batch 200', 'tagged 200']);
  });

  it('counts nobody who is not in yet: many whose keys a slow store is asked for', async () => {
    const callers = Array.from({ length: 8 }, () => makeKey('payments'));
    const byId = new Map(callers.map(({ record }) => [record.kid, record]));
    const answers: (() => void)[] = [];
    const { send, gateway } = await startGateway(
      (config) => ({ ...config, keys: [], admission: { maxInFlight: 2, maxQueued: 6, maxQueueMs: 60_000 } }),
      {
        keys: {
          async findKey(kid) {
            await new Promise<void>((resolve) => answers.push(resolve));
            return byId.get(kid) ?? null;
          },
        },
      },
    );
    const asked = callers.map(({ key }) => send('/v1/chat/completions', chat(), { key }));
    await until(() => answers.length === 8);
    // one that the store knows sooner is served while the others still wait for it
    answers[0]?.();
    expect((await asked[0])?.status).toBe(200);
    for (const answer of answers) answer();
    const statuses = (await Promise.all(asked)).map((reply) => reply.status);
    expect(statuses).toEqual(Array(8).fill(200));
    expect(gateway.health().requests).toEqual({ inFlight: 0, queued: 0 });
  });

  it('lets those in who wait when a configuration allows more', async () => {
    const { send, upstream, gateway, config } = await startGateway((config) => ({
      ...config,
      admission: { maxInFlight: 1 },
    }));
    upstream.fail({ kind: 'stall' });
    const first = send('/v1/chat/completions', chat());
    await upstream.waitFor(() => true, 60_000);
    const second = send('/v1/chat/completions', chat());
    await until(() => gateway.health().requests.queued === 1);
    gateway.update({ ...config, admission: { maxInFlight: 2 } });
    expect((await second).status).toBe(200);
    await gateway.close({ drainMs: 1 });
    expect((await first).status).toBe(503);
  });

  it('goes by the profile, whose callers say themselves that they can wait and never that they cannot', async () => {
    const jobs = makeKey('jobs');
    const { send, upstream, gateway } = await startGateway((config) => ({
      ...config,
      admission: { maxInFlight: 1 },
      profiles: { ...config.profiles, background: { priority: 'batch' } },
      teams: { ...config.teams, jobs: { profile: 'background' } },
      keys: [...(config.keys ?? []), jobs.record],
    }));
    upstream.fail({ kind: 'split', everyBytes: 10_000, delayMs: 60 });
    const order: string[] = [];
    const ask = async (name: string, more: { key?: string; headers?: Record<string, string> } = {}) => {
      const reply = await send('/v1/chat/completions', chat(), more);
      order.push(`${name} ${reply.status}`);
    };
    const all = [ask('first')];
    await upstream.waitFor(() => true, 60_000);
    all.push(ask('job', { key: jobs.key }));
    const claims = { 'x-headgate-priority': 'interactive', 'x-headgate-metadata': 'priority=interactive' };
    all.push(ask('pushy job', { key: jobs.key, headers: claims }));
    all.push(ask('urgent'));
    await Promise.all(all);
    expect(order).toEqual(['first 200', 'urgent 200', 'job 200', 'pushy job 200']);
    const explained = await gateway.explain({
      method: 'POST',
      path: '/v1/chat/completions',
      query: '',
      headers: { authorization: `Bearer ${jobs.key}`, 'content-type': 'application/json' },
      signal: new AbortController().signal,
      readBody: async () => Buffer.from(JSON.stringify(chat())),
    });
    expect(explained.policy?.priority).toEqual({ value: 'batch', origin: 'profiles.background.priority' });
  });
});
