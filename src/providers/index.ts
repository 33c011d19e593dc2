import { anthropic } from './anthropic.ts';
import { gemini } from './gemini.ts';
import { openai } from './openai.ts';
import type { Provider } from './provider.ts';

/** The providers that come with the package, by `type`. */
export const builtInProviders: readonly Provider[] = [openai, anthropic, gemini];
