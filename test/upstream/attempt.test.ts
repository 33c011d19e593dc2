import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { Attempt } from '../../src/upstream/attempt.ts';
import { createUpstream } from '../../src/upstream/upstream.ts';
import { createScriptedEgress } from './scripted-egress.ts';

describe('an attempt', () => {
  it('is not waited for any more when it could not be sent', async () => {
    const runtime = createVirtualRuntime();
    const upstream = createUpstream(
      createScriptedEgress(() => ({ chunks: [] })),
      runtime,
    );
    const fail = () => {
      throw new Error('no secret');
    };
    const attempt = new Attempt(upstream, {
      call: { stream: true },
      candidate: { target: {}, credential: { source: { current: fail, ready: async () => fail() } } },
      policy: { timeouts: { firstTokenMs: 60_000 } },
    } as never);
    await expect(attempt.run()).rejects.toThrow('no secret');
    // the timer of what is watched is there only while something is
    await runtime.advanceAsync(100);
    expect(runtime.pending).toBe(0);
  });
});
