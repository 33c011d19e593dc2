import type { GatewayConfig } from '../../../../src/config/schema.ts';
import { credentials } from '../site-config.ts';
import type { Fault } from '../upstream/faults.ts';
import type { Scenario } from './scenario.ts';
import { onStage } from './stage.ts';

/** One provider with two credentials. */
function withTwo(config: GatewayConfig): GatewayConfig {
  const { apiKey: _, ...first } = config.providers.first as NonNullable<GatewayConfig['providers'][string]>;
  const two = credentials.map((apiKey, index) => ({ id: `c${index}`, apiKey }));
  return { ...config, providers: { first: { ...first, credentials: two } } };
}

async function useNext(fault: Fault, what: string) {
  return onStage({ change: withTwo }, async ({ site, upstreams, check }) => {
    const [upstream] = upstreams;
    const credentialOf = (request: { head: { raw: string } }) =>
      credentials.findIndex((credential) => request.head.raw.includes(credential));
    upstream?.decide((request) => (credentialOf(request) === 0 ? fault : { do: 'answer' }));
    for (let index = 0; index < 5; index++) {
      const got = await site.ask(index % 2 === 0);
      check(got.status === 200, `${what}: status ${got.status}, not 200`);
    }
    const used = upstream?.seen.map(credentialOf) ?? [];
    check(used[0] === 0 && used[1] === 1, `${what}: the credentials used are ${used.join(', ')}`);
    const again = used.slice(1).filter((index) => index === 0).length;
    check(again === 0, `${what}: the credential was used ${again} times again`);
  });
}

/** A credential without money. */
export const noMoney: Scenario = {
  title:
    'the account of one credential has no money: the next credential answers, and the first is not used again for now',
  async run() {
    const results = [
      await useNext({ do: 'status', status: 429, body: 'no-money' }, '429'),
      await useNext({ do: 'status', status: 402 }, '402'),
    ];
    return { findings: results.flatMap(({ findings }) => findings) };
  },
};

/** A credential that is not accepted. */
export const nextCredential: Scenario = {
  title: 'one credential is refused: the next one answers, and the first is not used again for now',
  async run() {
    const results = [
      await useNext({ do: 'status', status: 401 }, '401'),
      await useNext({ do: 'status', status: 403 }, '403'),
    ];
    return { findings: results.flatMap(({ findings }) => findings) };
  },
};
