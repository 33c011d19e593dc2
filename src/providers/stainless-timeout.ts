/** How OpenAI's and Anthropic's official libraries tell how long they wait: in whole seconds. */
export function stainlessTimeout(leftMs: number): Readonly<Record<string, string>> {
  return { 'x-stainless-timeout': String(Math.max(1, Math.round(leftMs / 1_000))) };
}
