import type { Dialect } from '../dialect.ts';
import { renderGeminiError, renderGeminiStreamError } from './errors.ts';
import { createGeminiSplicer } from './splicer.ts';
import { createGeminiStreamReader } from './stream.ts';
import { toGeminiUsage } from './usage.ts';

/** `/v1` and `/v1beta` of the Gemini API, and their Vertex express form. */
export const gemini: Dialect = {
  name: 'gemini',
  family: 'gemini',
  renderError: renderGeminiError,
  renderStreamError: renderGeminiStreamError,
  createStreamReader: createGeminiStreamReader,
  createSplicer: createGeminiSplicer,
  usageMembers: ['usageMetadata'],
  readUsage: (member) => toGeminiUsage(member('usageMetadata')),
};
