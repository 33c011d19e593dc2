import type { Child } from './children.ts';
import { type Answer, type Client, isKeyRefusal } from './client.ts';
import type { Ended } from './messages.ts';
import { type Look, type Round, runRound, type State } from './round.ts';
import { type Site, steadyModel } from './site.ts';

/** What is changed. */
export const changeKinds = [
  'key revoked',
  'model added',
  'model removed',
  'key rotated',
  'provider secret rotated',
] as const;

/** One of them. */
export type ChangeKind = (typeof changeKinds)[number];

/** Told of each round. */
export type NoteRound = (kind: ChangeKind, round: Round) => void;

/** Changes over a site, seen through the nodes' clients; whatever has ended is told to the load. */
export interface Changes {
  revokeKey(): Promise<void>;
  addAndRemoveModel(): Promise<void>;
  rotateKey(): Promise<void>;
  rotateSecret(): Promise<void>;
}

/** Makes them. `goodKey` stays good throughout. */
export function createChanges(
  site: Site,
  clients: readonly Client[],
  load: Child,
  goodKey: string,
  note: NoteRound,
): Changes {
  let models = 0;
  let secrets = 0;
  // at once, so that the load asks while some nodes may not know yet, and ever after
  const end = (what: Omit<Ended, 'completedAtMs'>) => (completedAtMs: number) =>
    load.send({ type: 'ended', ended: { ...what, completedAtMs } });
  return {
    async revokeKey() {
      const { key, record } = await site.createKey();
      const round = await runRound({
        clients,
        async look(client) {
          const answer = await client.ask(key, steadyModel);
          return toLook(answer, answer.status === 200, isKeyRefusal(answer.status));
        },
        change: () => site.revoke(record.kid),
        onChanged: end({ key }),
      });
      note('key revoked', round);
    },

    async addAndRemoveModel() {
      const model = `model-${++models}`;
      const ask = (client: Client) => client.ask(goodKey, model);
      const added = await runRound({
        clients,
        async look(client) {
          const answer = await ask(client);
          return toLook(answer, answer.status === 404, answer.status === 200);
        },
        change: () => site.addModel(model),
      });
      note('model added', added);
      const removed = await runRound({
        clients,
        async look(client) {
          const answer = await ask(client);
          return toLook(answer, answer.status === 200, answer.status === 404);
        },
        change: () => site.removeModel(model),
        onChanged: end({ model }),
      });
      note('model removed', removed);
    },

    async rotateKey() {
      const { key, record } = await site.createKey();
      let newKey: string | undefined;
      const round = await runRound({
        clients,
        async look(client) {
          const next = newKey;
          const old = await client.ask(key, steadyModel);
          const isOldRefused = isKeyRefusal(old.status);
          // a node may know before whoever makes the change is told
          if (next === undefined) return toLook(old, old.status === 200 || isOldRefused, false);
          const fresh = await client.ask(next, steadyModel);
          const isBefore = (old.status === 200 || isOldRefused) && isKeyRefusal(fresh.status);
          const both = { ...fresh, sentAtMs: old.sentAtMs };
          return toLook(both, isBefore || old.status === 200, isOldRefused && fresh.status === 200);
        },
        async change() {
          newKey = (await site.rotate(record.kid)).key;
        },
        onChanged: end({ key }),
      });
      note('key rotated', round);
    },

    async rotateSecret() {
      const number = ++secrets;
      const round = await runRound({
        clients,
        async look(client) {
          const answer = await client.ask(goodKey, steadyModel);
          const isServed = answer.status === 200 && answer.secretNumber !== undefined;
          return toLook(answer, isServed, isServed && answer.secretNumber === number);
        },
        change: () => site.putSecret(number),
        onChanged: (completedAtMs) => load.send({ type: 'rotated', number, completedAtMs }),
      });
      note('provider secret rotated', round);
    },
  };
}

function toLook(answer: Answer, isBefore: boolean, isAfter: boolean): Look {
  const state: State = isAfter ? 'after' : isBefore ? 'before' : 'wrong';
  const { sentAtMs, receivedAtMs, status } = answer;
  return { state, sentAtMs, receivedAtMs, status };
}
