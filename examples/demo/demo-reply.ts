/** What the local upstreams say, so that the story reads well; shapes, pacing and usage are theirs. */
export function toDemoReply({ body }: { readonly body: Buffer }) {
  const text = body.toString();
  if (/"role":"tool"|"tool_result"|"function_call_output"/.test(text))
    return { text: 'It is 18 degrees and clear there.' };
  if (text.includes('weather')) {
    const city = text.includes('Lisbon') ? 'Lisbon' : 'Oslo';
    return { toolCalls: [{ name: 'get_weather', arguments: { city } }] };
  }
  if (text.includes('Count')) return { text: 'One, two, three, four, five, six, seven, eight, nine, ten.' };
  return { text: 'Hello, and welcome: how can I help you today?' };
}
