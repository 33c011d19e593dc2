import { describe, expect, it } from 'vitest';
import { configFromEnvironment } from '../../src/config/environment-config.ts';
import { compileConfig } from '../../src/config/snapshot.ts';
import { builtInProviders } from '../../src/providers/index.ts';
import { createKey } from './harness.ts';

function compile(environment: NodeJS.ProcessEnv) {
  const found = configFromEnvironment(environment);
  if (!found) throw new Error('no configuration');
  return {
    found,
    snapshot: compileConfig(found.config, { id: 'v1', providers: builtInProviders, environment }),
  };
}

const all = { OPENAI_API_KEY: 'sk-1', ANTHROPIC_API_KEY: 'sk-2', GEMINI_API_KEY: 'g-3' };

describe('configFromEnvironment', () => {
  it('serves each provider under the names of its own models', () => {
    const { snapshot, found } = compile(all);
    const targetOf = (model: string) => snapshot.findModel(model)?.targets.map((target) => target.id);
    expect(targetOf('gpt-4.1')).toEqual(['openai/gpt-4.1']);
    expect(targetOf('o3')).toEqual(['openai/o3']);
    expect(targetOf('text-embedding-3-small')).toEqual(['openai/text-embedding-3-small']);
    expect(targetOf('claude-sonnet-4-5')).toEqual(['anthropic/claude-sonnet-4-5']);
    expect(targetOf('gemini-2.5-flash')).toEqual(['gemini/gemini-2.5-flash']);
    expect(targetOf('llama-3')).toBeUndefined();
    expect(found.variables).toEqual(['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GEMINI_API_KEY']);
  });

  it('serves every name when there is one provider only', () => {
    const { snapshot } = compile({ OPENAI_API_KEY: 'sk-1', OPENAI_BASE_URL: 'http://127.0.0.1:11434/v1' });
    expect(snapshot.findModel('llama-3')?.targets[0]?.id).toBe('openai/llama-3');
    expect(snapshot.providers.get('openai')).toMatchObject({
      origin: 'http://127.0.0.1:11434',
      basePath: '/v1',
    });
  });

  it('takes GOOGLE_API_KEY when GEMINI_API_KEY is not set', () => {
    const { found } = compile({ GOOGLE_API_KEY: 'g' });
    expect(found.config.providers.gemini?.apiKey).toEqual({ env: 'GOOGLE_API_KEY' });
  });

  it('holds no secret itself', () => {
    expect(JSON.stringify(configFromEnvironment(all))).not.toMatch(/sk-1|sk-2|"g-3/);
  });

  it('is undefined when no key is set, empty ones included', () => {
    expect(
      configFromEnvironment({ OPENAI_API_KEY: ' ', OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' }),
    ).toBeUndefined();
  });

  it('takes keys from HEADGATE_KEYS and gives their teams a profile for all models', async () => {
    const { record } = await createKey(['--team', 'web']);
    const { snapshot } = compile({ ...all, HEADGATE_KEYS: JSON.stringify([record]) });
    expect(snapshot.config.keys.map(({ kid }) => kid)).toEqual([record.kid]);
    expect(snapshot.policyOf('web')?.models.map(({ patterns }) => patterns)).toEqual([['*']]);
  });

  it('is the same with an empty list of keys as without one', () => {
    expect(configFromEnvironment({ ...all, HEADGATE_KEYS: '[]' })).toEqual(configFromEnvironment(all));
    expect(compile({ ...all, HEADGATE_KEYS: ' [] ' }).snapshot.config.keys).toEqual([]);
  });

  it.each([
    ['not json', 'not valid JSON'],
    ['{}', 'must be a JSON array'],
    ['[{}]', 'must be a JSON array'],
  ])('refuses HEADGATE_KEYS=%s', (text, message) => {
    expect(() => configFromEnvironment({ ...all, HEADGATE_KEYS: text })).toThrow(message);
  });

  it("refuses the gateway's own key as a provider's, without showing it", async () => {
    const { key } = await createKey(['--team', 'web']);
    const refuse = () => configFromEnvironment({ OPENAI_API_KEY: key });
    expect(refuse).toThrow('OPENAI_API_KEY holds a Headgate key');
    expect(refuse).not.toThrow(key);
  });
});
