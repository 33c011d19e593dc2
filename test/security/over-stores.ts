import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createJsonlSink, createKeyEncryptionRing, openGateway } from 'headgate';
import { until } from '../cli/harness.ts';
import { type Backend, createBackend } from './backends.ts';
import { commandsWithoutStore, misuseCommands, runCommands } from './commands.ts';
import { toConfiguration } from './configuration.ts';
import { explain, lookAt } from './look-at.ts';
import { makeKeys, owners, provisionByCommands, provisionByServices } from './provisioning.ts';
import { createShell } from './shell.ts';
import { runTraffic, type TrafficKeys, toQuestion } from './traffic.ts';
import type { World } from './world.ts';

/** A gateway over the stores of a backend: filled, used, looked at, broken. */
export async function runOverStores(world: World, name: Backend['name']): Promise<Map<string, number>> {
  const { sentinels, evidence, upstream, peppers, directory } = world;
  const backend = await createBackend(name, sentinels);
  const home = join(directory, name);
  await mkdir(home);
  const report = world.reportTo(name);
  const plant = (what: string, prefix: string) => sentinels.make(`provider: ${what} (${name})`, prefix);
  const awkward = (what: string) => sentinels.makeAwkward(`provider: ${what} (${name})`);
  const fromEnvironment = plant('from the environment', 'sk-ant-api03-');
  const environment = {
    CANARY_ANTHROPIC: fromEnvironment,
    HEADGATE_PEPPER: peppers.current,
    HEADGATE_PEPPER_ID: 'p2',
    HEADGATE_OTHER_PEPPERS: `p1=${peppers.before}`,
    HEADGATE_KEK: world.keyEncryptionKey,
    HEADGATE_AUTHOR: 'canary',
  };
  const file = join(home, 'gemini.key');
  await writeFile(file, `${plant('from a file', 'AIza')}\n`);
  const shell = createShell(name, home, environment, evidence);
  const ring = createKeyEncryptionRing({ current: 'k1', keys: { k1: world.keyEncryptionKey } });
  const stores = backend.open(report);
  await stores.migrate();

  const provisioner = backend.url
    ? provisionByCommands(shell, backend.url)
    : provisionByServices(stores, peppers.ring, ring);
  const store = (id: string, provider: string, scope: 'gateway' | 'project' | 'user', text: string) =>
    provisioner.storeCredential({
      id,
      provider,
      scope,
      text,
      ...(scope === 'project' && { subject: owners.project }),
      ...(scope === 'user' && { subject: owners.user }),
    });
  await store('openai', 'openai', 'gateway', awkward('from the vault'));
  await store('own-openai', 'openai', 'project', awkward('of a project'));
  await store('own-anthropic', 'anthropic', 'user', plant('of a user', ''));
  const config = toConfiguration({
    openai: { type: 'openai', baseUrl: `${upstream.url}/v1`, apiKey: { store: 'openai' } },
    anthropic: { type: 'anthropic', baseUrl: upstream.url, apiKey: { env: 'CANARY_ANTHROPIC' } },
    gemini: { type: 'gemini', baseUrl: upstream.url, apiKey: { file } },
  });
  await provisioner.apply(config);
  const rings = { current: peppers.ring, old: peppers.old };
  const made = await makeKeys(provisioner, stores, rings, sentinels, name);
  const keys: TrafficKeys = { ...made, tokens: world.tokens, badTokens: world.badTokens };
  const unseen = [await provisioner.createKey('standard'), await provisioner.createKey('standard')].map(
    (key) => sentinels.plantKey(`key: never used (${name})`, key),
  );

  const records = join(home, 'records.jsonl');
  const gateway = await openGateway({
    stores,
    peppers: peppers.ring,
    secretKeys: ring,
    environment,
    identities: world.identities(name),
    sink: createJsonlSink(records),
    onError: report,
  });
  const statuses = await runTraffic({ ...world, label: name, gateway, keys });
  await lookAt(world, name, gateway, stores, keys);
  const question = toQuestion('gpt-4.1', false, world);
  const ask = async (
    label: string,
    key: string,
    send: typeof gateway.fetch,
    base = 'http://gateway.test',
  ) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const request = new Request(`${base}${question.path}`, { method: 'POST', headers, body: question.body });
    const response = await send(request);
    evidence.add('reply headers', `${name}: ${label}`, JSON.stringify([...response.headers]));
    evidence.add('reply bodies', `${name}: ${label}`, await response.text());
    return response.status;
  };

  // the credential is replaced while the gateway runs
  await store('openai', 'openai', 'gateway', plant('replaced in the vault', 'sk-proj-'));
  // a busy machine may take longer than a store's deadline
  await until(() =>
    gateway.vault?.refresh().then(
      () => true,
      () => false,
    ),
  );
  await ask('success: replaced credential', keys.team.standard, gateway.fetch);

  const { url } = backend;
  const whileBroken = async () => {
    for (const [source, content] of await backend.dump()) {
      evidence.add('database', `${name}: ${source}`, content);
    }
    if (backend.directory !== undefined) await editByHand(world, join(backend.directory, 'config.json'));
    await backend.breakDown();
    await until(async () => (await ask('refused: no store', unseen[0] as string, gateway.fetch)) === 503);
    await explain(world, `${name}: no store`, gateway, unseen[1] as string);
    await world.mustThrow(`${name}: reading without a store`, () => stores.keys.findKey('Unknown00001'));
    await world.mustThrow(`${name}: a vault without a store`, () => gateway.vault?.refresh());
    await world.mustThrow(`${name}: opening without a store`, () =>
      openGateway({ stores, peppers: peppers.ring, secretKeys: ring, environment, onError: report }),
    );
  };
  if (url) {
    const commands = { shell, url, keys, sentinels, label: name, config };
    await runCommands(commands);
    await misuseCommands(commands);
    const served = join(home, 'served.jsonl');
    await shell.serve(['--store', url, '--records', served], async (base) => {
      statuses.set('success: served', await ask('success: served', keys.team.standard, fetch, base));
      await ask('refused: served', keys.wrong, fetch, base);
      await whileBroken();
      await ask('refused: served without a store', keys.oldPepper, fetch, base);
    });
    evidence.add('records', `${name}: of serve`, await readFile(served));
    await commandsWithoutStore({ shell, url }, backend);
  } else {
    for (const secret of await stores.secrets.listSecrets({ limit: 100 })) {
      evidence.addObject('database', `${name}: secret`, secret);
    }
    await whileBroken();
  }
  await gateway.close({ drainMs: 1_000 });
  await stores.close();
  evidence.add('records', `${name}: of the gateway`, await readFile(records));
  await backend.close();
  return statuses;
}

/** A configuration file that somebody edits: with a secret in it, and not valid. */
async function editByHand({ sentinels, evidence }: World, file: string): Promise<void> {
  const before = evidence.pieces.length;
  const literal = sentinels.make('provider secret in an edited file');
  const edits = [
    `{"providers": {"openai": {"type": "openai", "apiKey": ${literal}}}}`,
    `{"providers": {"openai": {"type": "openai", "apiKey": "${literal}"}}, "models": 1}`,
  ];
  for (const [index, text] of edits.entries()) {
    await writeFile(file, text);
    const isReported = () =>
      evidence.pieces.slice(before).filter(({ source }) => source === 'file: as JSON').length > index;
    await until(isReported, 'the report of an edit that is not valid');
  }
}
