import { createGateway, type Gateway } from '../../../src/gateway.ts';
import { issueKey } from '../../../src/keys/issue-key.ts';
import { createNoPepperRing } from '../../../src/keys/no-pepper.ts';
import { createRuntime } from '../../../src/runtime.ts';
import { createMemoryKeyStore } from '../../../src/stores/memory/memory-key-store.ts';
import { makeLargeConfig } from '../../../test/config/large-config.ts';
import { askCore } from './ask-core.ts';
import { createMemoryEgress } from './memory-egress.ts';

/** How much there is of everything. */
export interface Scale {
  readonly keys: number;
  readonly profiles: number;
  readonly models: number;
}

/** A gateway, and callers: as many as there are profiles, each with one of its own and a model of its own. */
export interface ScaleSite {
  readonly gateway: Gateway;
  /** What each caller asks for, and with what. */
  readonly calls: readonly { readonly key: string; readonly model: string }[];
  /**
   * Sends requests with the first so many keys, so many with each before the next one has its turn.
   *
   * @throws Error when one is not served
   */
  ask(count: number, callers: number, inARow: number): Promise<void>;
}

const concurrency = 20;

/** Limits that are never reached: what is measured is what they cost. */
const enough = 9_000_000;

/** Opens a gateway of this size over a key store in memory. @param providerUrl @default a provider in this process */
export function openScaleSite({ keys, profiles, models }: Scale, providerUrl?: string): ScaleSite {
  const runtime = createRuntime();
  const peppers = createNoPepperRing();
  const issued = Array.from({ length: keys }, (_, index) =>
    issueKey({ team: `team-${index % profiles}`, owner: `user-${index}@example.com` }, peppers, runtime),
  );
  const store = createMemoryKeyStore(issued.map(({ record }) => record));
  const calls = issued.slice(0, profiles).map(({ key }, index) => ({
    key,
    // the first model of its profile
    model: `alias-${(index * 7) % models}`,
  }));
  const config = withoutEnd(makeLargeConfig(models, profiles));
  const [openai] = Object.values(config.providers);
  const providers = { openai: { ...openai, baseUrl: providerUrl } as NonNullable<typeof openai> };
  const gateway = createGateway(providerUrl === undefined ? config : { ...config, providers }, {
    keys: store,
    ...(providerUrl === undefined && { egress: createMemoryEgress() }),
    sink: () => undefined,
  });
  let next = 0;
  return {
    gateway,
    calls,
    async ask(count, callers, inARow) {
      let left = count;
      const work = async (): Promise<void> => {
        while (left-- > 0) {
          const { key, model } = calls[Math.floor(next++ / inARow) % callers] as (typeof calls)[number];
          const status = await askCore(gateway, key, model);
          if (status !== 200) throw new Error(`${model} was answered with ${status}.`);
        }
      };
      await Promise.all(Array.from({ length: concurrency }, work));
    },
  };
}

function withoutEnd(config: ReturnType<typeof makeLargeConfig>): ReturnType<typeof makeLargeConfig> {
  const raise = <Part extends { readonly limits?: readonly object[] | undefined }>(
    parts: Record<string, Part> = {},
  ) =>
    Object.fromEntries(
      Object.entries(parts).map(([name, part]) => [
        name,
        { ...part, limits: part.limits?.map((limit) => ({ ...limit, amount: enough })) },
      ]),
    );
  return {
    ...config,
    profiles: raise(config.profiles),
    teams: raise(config.teams),
    projects: raise(config.projects),
  } as typeof config;
}
