import type { GatewayConfig } from '../../../../src/config/schema.ts';
import { issueKey } from '../../../../src/keys/issue-key.ts';
import { createNoPepperRing } from '../../../../src/keys/no-pepper.ts';
import { createRuntime } from '../../../../src/runtime.ts';
import { createClient, type Got } from '../client.ts';
import { toRecordings } from '../run-case.ts';
import { type ServeOptions, type ServeProcess, startServe } from '../serve-process.ts';
import { toConfig } from '../site-config.ts';
import { type FaultUpstream, startFaultUpstream } from '../upstream/fault-upstream.ts';
import { toProviderWords } from '../upstream/provider-words.ts';
import type { ScenarioResult } from './scenario.ts';
import { firstDialect } from './stage.ts';

/** A server in a process of its own before one upstream. */
export interface Serving {
  readonly server: ServeProcess;
  readonly upstream: FaultUpstream;
  ask(stream: boolean): Promise<Got>;
  check(holds: boolean, otherwise: string): void;
  figure(text: string): void;
}

/** Runs something with a server in a process of its own. */
export async function whileServing(
  options: Omit<ServeOptions, 'config'>,
  act: (serving: Serving) => Promise<void>,
): Promise<ScenarioResult> {
  const dialect = firstDialect;
  const { first } = await toRecordings(dialect);
  const upstream = await startFaultUpstream({ tapes: first, ...toProviderWords(dialect) });
  const issued = issueKey({ team: 'payments' }, createNoPepperRing(), createRuntime());
  const key = issued.record as NonNullable<GatewayConfig['keys']>[number];
  const config = toConfig(dialect, [`http://127.0.0.1:${upstream.port}`], {}, key);
  const findings: string[] = [];
  const figures: string[] = [];
  const client = createClient(1_000);
  let server: ServeProcess | undefined;
  try {
    const started = await startServe({ ...options, config });
    server = started;
    await act({
      ...{ server: started, upstream },
      ask(stream) {
        const { path, headers, body } = dialect.toRequest('the-model', stream);
        const authorization = `Bearer ${issued.key}`;
        const url = `${started.url}${path}`;
        return client.send({ url, headers: { authorization, ...headers }, body: JSON.stringify(body) });
      },
      check: (holds, otherwise) => void (holds || findings.push(otherwise)),
      figure: (text) => void figures.push(text),
    });
    if (/unhandled|Error: .*\n\s+at /i.test(started.written.stderr))
      findings.push(`it wrote ${started.written.stderr.slice(0, 500)}`);
  } catch (error) {
    findings.push(
      `it threw ${(error as Error).stack}; the server wrote ${server?.written.stderr.slice(0, 500)}`,
    );
  } finally {
    client.close();
    await server?.close();
    await upstream.close();
  }
  return { findings, figures };
}
