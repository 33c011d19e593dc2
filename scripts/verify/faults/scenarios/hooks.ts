import { createDefaultPipeline } from '../../../../src/default-pipeline.ts';
import type { GatewayOptions } from '../../../../src/gateway-options.ts';
import type { Scenario } from './scenario.ts';
import { onStage, until } from './stage.ts';

const fail = (): never => {
  throw new Error('A hook of the host failed.');
};

/** Ways for the host's functions to fail. */
const hooks: Readonly<Record<string, { readonly options: GatewayOptions; readonly status: number }>> = {
  'a sink that throws': { options: { sink: fail }, status: 200 },
  'a sink that rejects': { options: { sink: async () => fail() }, status: 200 },
  'a sink that rejects, and a failing onError': {
    options: { sink: async () => fail(), onError: fail },
    status: 200,
  },
  'a sink object that throws': { options: { sink: { write: fail } }, status: 200 },
  'a stage that throws': { options: { pipeline: toPipeline('throws') }, status: 500 },
  'a stage that rejects': { options: { pipeline: toPipeline('rejects') }, status: 500 },
  'a stage that fails when the stream is over': { options: { pipeline: toPipeline('after') }, status: 200 },
};

function toPipeline(how: 'throws' | 'rejects' | 'after'): NonNullable<GatewayOptions['pipeline']> {
  return (parts) => {
    const inner = createDefaultPipeline(parts);
    return {
      ...inner,
      run(arrival) {
        if (how === 'throws') fail();
        if (how === 'rejects') return Promise.reject(new Error('A hook of the host failed.'));
        return inner.run(arrival).then((reply) => {
          // whoever fails after the reply fails by itself
          void reply.outcome.then(fail).catch(() => undefined);
          return reply;
        });
      },
    };
  };
}

/** What the host hands over fails. */
export const throwingHooks: Scenario = {
  title:
    'a sink, `onError` or a stage throws, rejects, or fails when the stream is over: answered or 500, settled, and the process lives on',
  async run() {
    const findings: string[] = [];
    for (const [what, { options, status }] of Object.entries(hooks)) {
      const result = await onStage({ gateway: options }, async ({ site, check }) => {
        for (const stream of [false, true, false]) {
          const got = await site.ask(stream);
          check(got.status === status, `${what}: status ${got.status}, not ${status}`);
          check(!got.body.toString().includes('hook of the host'), `${what}: its text reached the caller`);
          check(got.headers['x-request-id'] !== undefined, `${what}: no x-request-id`);
        }
        check(await until(() => site.journal.open === 0), `${what}: something is held`);
      });
      findings.push(...result.findings);
    }
    return { findings };
  },
};

/** The configuration changes under running streams. */
export const reload: Scenario = {
  title:
    'the model is removed, or the new configuration is invalid, while a stream runs: it ends whole, and the last good one stays',
  async run() {
    return onStage({}, async ({ site, upstreams, dialect, check }) => {
      const [upstream] = upstreams;
      upstream?.script({ do: 'slow', bytes: 300, everyMs: 20 }, { do: 'answer' });
      const running = site.ask(true);
      await until(() => (upstream?.seen.length ?? 0) === 1);
      let isRefused = false;
      try {
        site.gateway.update({ ...site.config, models: { x: { targets: ['nowhere/y'] } } });
      } catch {
        isRefused = true;
      }
      check(isRefused, 'a configuration that names no provider was taken');
      check((await site.ask(false)).status === 200, 'the last good configuration is gone');
      const { 'the-model': model } = site.config.models ?? {};
      if (!model) throw new Error('There is no model.');
      site.gateway.update({ ...site.config, models: { another: model } });
      const missing = await site.ask(false);
      check(missing.status === 404, `a model that is gone got status ${missing.status}`);
      const read = dialect.readStream((await running).body);
      check(read.isWhole && read.errors.length === 0, 'the running stream was cut');
      await until(() => site.records.length === 3);
      const ids = new Set(site.records.map(({ snapshot }) => snapshot));
      check(ids.size === 2, `the records tell of the configurations ${[...ids].join(', ')}`);
    });
  },
};
