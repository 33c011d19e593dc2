import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/secrets/secret.ts';
import { scrub } from '../../src/upstream/scrub.ts';

const text = 'canary.(secret)+$1';
const credential = new Secret('openai', text);

describe("a provider's own error", () => {
  it('is shown without the credential that was used, wherever and however often it stands, taken as plain text', () => {
    expect(scrub(`key ${text} and ${text}.`, credential)).toBe('key [redacted] and [redacted].');
    expect(scrub('canaryX(secret)+$1', credential)).toBe('canaryX(secret)+$1');
  });

  it.each([
    'Incorrect API key provided: sk-proj-********************abcd.',
    'invalid x-api-key sk-ant-api03-AbCdEfGhIjKl',
    'API key not valid: AIzaSyA1234567890abcdef',
    'got Authorization: Bearer abc.def.ghi-jkl',
    'key hg_live_0123456789ab_secretsecret was not known here',
    'xai-0123456789abcdef',
    'gsk_0123456789abcdef',
  ])('is shown without what looks like a secret: %s', (message) => {
    const shown = scrub(JSON.stringify({ error: { message } }), credential) ?? '';
    expect(shown).toContain('[redacted]');
    expect(shown).not.toMatch(/abcd|AbCdEf|1234567890|def\.ghi|secretsecret|0123456789/);
    expect(() => JSON.parse(shown)).not.toThrow();
  });

  it('is shown as it is when nothing in it looks like one', () => {
    const message = '{"error":{"message":"max_tokens: 5 is below the task-minimum; ask-me (risk-free)"}}';
    expect(scrub(message, credential)).toBe(message);
  });

  it('is not shown at all when it is too long to be one', () => {
    expect(scrub('x'.repeat(16_384), credential)).toHaveLength(16_384);
    expect(scrub('x'.repeat(16_385), credential)).toBeUndefined();
  });
});
