import assert from 'node:assert/strict';
import { attributeByTeam, renderAttribution } from './attribution.ts';
import {
  chat,
  createClients,
  generateWithTools,
  runTools,
  streamChat,
  streamMessage,
  streamResponse,
} from './calls.ts';
import { createNarrator, refusalOf, tellRefusal } from './narrator.ts';
import { createWorld } from './world.ts';

const maxMs = 60_000;
setTimeout(() => {
  console.log(`\nNot done after ${maxMs / 1_000} s.`);
  process.exit(1);
}, maxMs).unref();

const world = await createWorld(process.env);
const { gateway, keys, url } = world;
const clients = createClients(url);
const narrator = createNarrator();
const { say, step } = narrator;
const silently = () => undefined;

say(`Headgate listens on ${url}, with three teams: payments, data, agents.`);
for (const [name, isReal] of Object.entries(world.isReal)) {
  const variable = `${name.toUpperCase()}_API_KEY`;
  say(
    `${name}: ${isReal ? `the real provider, with ${variable} of your environment` : `a local upstream (set ${variable} to use the real one)`}`,
  );
}

await step('payments asks GPT a question, with the openai SDK', (tell) =>
  chat(clients.openai(keys.ana.key), 'gpt-4.1-mini', tell),
);

await step('payments streams an answer, with the openai SDK', (tell) =>
  streamChat(clients.openai(keys.ana.key), 'gpt-4.1-mini', tell),
);

await step('data streams a message from Claude, with @anthropic-ai/sdk', (tell) =>
  streamMessage(clients.anthropic(keys.ben.key), 'claude-haiku-4-5', tell),
);

await step('an agent calls a tool, with runTools of the openai SDK', (tell) =>
  runTools(clients.openai(keys.reviewer.key), 'gpt-4.1-mini', tell),
);

await step('an agent calls a tool through Claude, with the ai SDK', (tell) =>
  generateWithTools(clients.ai(keys.reviewer.key).anthropic, 'claude-haiku-4-5', tell),
);

await step('an agent streams a response, with the ai SDK', (tell) =>
  streamResponse(clients.ai(keys.reviewer.key).openai, 'gpt-4.1-mini', tell),
);

await step('payments asks for a model that its profile does not have', async (tell) => {
  const refusal = await refusalOf(404, () => chat(clients.openai(keys.ana.key), 'gpt-4.1', silently));
  assert.equal(refusal.code, 'model_not_found');
  tellRefusal(tell, refusal);
});

await step('data reaches its limit of 3 requests a minute for each key', async (tell) => {
  const refusal = await refusalOf(429, async () => {
    // the limit twice over, in case a minute ends just now
    for (let times = 0; times <= 6; times++) {
      await streamMessage(clients.anthropic(keys.ben.key), 'claude-haiku-4-5', silently);
      tell('200');
    }
  });
  tellRefusal(tell, refusal);
});

await step('a provider is down, and the next one serves', async (tell) => {
  world.flakyUpstream.fail({ kind: 'status', status: 503 }, { times: 10 });
  await chat(clients.openai(keys.ana.key), 'resilient', tell);
  const record = (await recordsSoFar()).findLast(({ model }) => model === 'resilient');
  assert.ok(record && record.attempts.length > 1, 'more than one attempt');
  for (const { target, failure, status } of record.attempts) tell(`${target}: ${failure ?? status}`);
});

await step("the intern's key is revoked, and refused from the next request on", async (tell) => {
  const intern = clients.openai(keys.intern.key);
  await chat(intern, 'gpt-4.1-mini', silently);
  tell('before: 200');
  const revoked = { ...keys.intern.record, revokedAtMs: Date.now() };
  gateway.update({
    ...world.config,
    keys: [keys.ana, keys.ben, keys.reviewer].map(({ record }) => record).concat(revoked),
  });
  tellRefusal(tell, await refusalOf(401, () => chat(intern, 'gpt-4.1-mini', silently)));
});

await step('who used what', async (tell) => {
  const rows = attributeByTeam(await recordsSoFar());
  for (const line of renderAttribution(rows).split('\n')) tell(line);
  for (const team of ['payments', 'data', 'agents']) {
    const row = rows.get(team);
    assert.ok(row && row.outputTokens > 0 && row.costNanoUsd > 0, `${team} has tokens and a cost`);
  }
  assert.equal(rows.get('payments')?.failovers, 1, 'one failover of payments');
  assert.equal(rows.get('data')?.refused, 1, 'one refusal of data');
});

await world.close();
say(
  narrator.failed === 0
    ? `\nAll ${narrator.steps} steps did what they should.`
    : `\n${narrator.failed} steps FAILED.`,
);
process.exitCode = narrator.failed === 0 ? 0 : 1;

/** Records are written off the request's path: the last one may come a moment after its reply. */
async function recordsSoFar() {
  await new Promise((resolve) => setTimeout(resolve, 50));
  return gateway.records;
}
