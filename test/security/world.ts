import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createJwtIdentity, createPepperRing, type JwtIdentity } from 'headgate';
import { createFakeUpstream, createVirtualRuntime } from 'headgate/testing';
import { startProvider } from '../identity/local-provider.ts';
import { createEvidence } from './evidence.ts';
import { createSentinels } from './sentinels.ts';

/** What all gateways of the sweep have in common: secrets, an upstream, an identity provider, and what was seen. */
export async function createWorld() {
  const sentinels = createSentinels();
  const evidence = createEvidence();
  const directory = await mkdtemp(join(tmpdir(), 'headgate-canary-'));
  const completion = sentinels.make('completion');
  const upstream = await createFakeUpstream({ reply: () => ({ text: `Well: ${completion}` }) });
  const provider = await startProvider(createVirtualRuntime({ now: Date.now() }));
  const keyBytes = (name: string) => Buffer.from(sentinels.plantBytes(name, randomBytes(32)));
  const [p1, p2] = [keyBytes('pepper: before'), keyBytes('pepper: current')];
  const keyEncryptionKey = keyBytes('key encryption key');
  const token = async (name: string, changes: Parameters<typeof provider.sign>[0]) =>
    sentinels.plantToken(`token: ${name}`, await provider.sign(changes));
  const good = await token('good', {});
  const tokens = [good, await token('with personal claims', { claims: { email: 'ada@example.test' } })];
  const badTokens = [
    await token('expired', { claims: { exp: provider.nowS() - 3_600 } }),
    await token('for another', { claims: { aud: 'another' } }),
    await token('without a team', { claims: { groups: [] } }),
    sentinels.plantToken(
      'token: forged',
      `${good.slice(0, good.lastIndexOf('.') + 1)}${'c2lnbmVk'.repeat(8)}`,
    ),
  ];
  const reportTo = (label: string) => (error: unknown) => {
    evidence.addObject('reported errors', label, error);
  };
  const identities = (label: string): JwtIdentity[] => [
    createJwtIdentity({
      name: 'acme',
      issuer: provider.issuer,
      audience: 'headgate',
      teams: { 'llm-payments': 'standard' },
      runtime: provider.runtime,
      onError: reportTo(label),
    }),
  ];
  return {
    sentinels,
    evidence,
    directory,
    upstream,
    provider,
    tokens,
    badTokens,
    identities,
    reportTo,
    prompt: sentinels.make('prompt'),
    personalData: sentinels.make('personal data'),
    subscription: sentinels.make('provider: subscription of a caller', 'sk-ant-oat01-'),
    peppers: {
      ring: createPepperRing({ current: 'p2', peppers: { p1, p2: p2.toString('base64') } }),
      old: createPepperRing({ current: 'p1', peppers: { p1 } }),
      before: p1.toString('base64'),
      current: p2.toString('base64'),
    },
    keyEncryptionKey: keyEncryptionKey.toString('base64'),
    /** Keeps what an action throws. @throws Error when it throws nothing */
    async mustThrow(label: string, action: () => unknown): Promise<void> {
      try {
        await action();
      } catch (error) {
        evidence.addObject('thrown errors', label, error);
        return;
      }
      throw new Error(`${label} was expected to fail.`);
    },
    async close() {
      await provider.close();
      await upstream.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Everything that the gateways share. */
export type World = Awaited<ReturnType<typeof createWorld>>;
