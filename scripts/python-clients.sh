#!/usr/bin/env bash
# Runs the Python SDKs of OpenAI and Anthropic through `headgate serve`, in front of a local upstream: whole, streamed,
# tools, and what they make of refusals. Not part of any test command: it installs from PyPI.
#
#   npm run build && scripts/python-clients.sh
#
#   PYTHON_CLIENTS_DIR  folder of a virtual environment to make or to use again
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
[ -f "$root/dist/cli.js" ] || { echo "Run npm run build first." >&2; exit 2; }
export PATH="$root/node_modules/.bin:$PATH"

dir=$(mktemp -d "${TMPDIR:-/tmp}/headgate-python.XXXXXX")
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT

venv=${PYTHON_CLIENTS_DIR:-$dir/venv}
if ! "$venv/bin/python" -c 'import openai, anthropic' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check openai anthropic
fi

cat >"$dir/upstream.mjs" <<'JS'
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [root, dir] = process.argv.slice(2);
const { createFakeUpstream } = await import(pathToFileURL(`${root}/dist/testing.js`).href);
const upstream = await createFakeUpstream({ apiKeys: ['sk-upstream'] });
process.on('SIGTERM', async () => {
  const toText = ({ path, query, rawHeaders, body }) => [path, query, ...rawHeaders, body].join('\n');
  const usages = upstream.tally.map(({ billedInputTokens, usage }) => [billedInputTokens, usage.outputTokens]);
  writeFileSync(`${dir}/upstream.json`, JSON.stringify({ sent: upstream.requests.map(toText), usages }));
  await upstream.close();
});
writeFileSync(`${dir}/upstream.url`, upstream.url);
JS

cat >"$dir/clients.py" <<'PY'
import json
import sys

import anthropic
import openai

url, key = sys.argv[1:]
wrong = "hg_live_000000000000_" + "0" * 49
messages = [{"role": "user", "content": "Grüße, say something."}]
weather = [{"role": "user", "content": "What is the weather?"}]
schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def refused(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")


o = openai.OpenAI(base_url=f"{url}/v1", api_key=key)
whole = o.chat.completions.create(model="gpt-4o", messages=messages)
assert "quick brown fox" in whole.choices[0].message.content
chunks = list(o.chat.completions.create(model="gpt-4o", messages=messages, stream=True))
assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content
tools = [{"type": "function", "function": {"name": "get_weather", "parameters": schema}}]
turn = o.chat.completions.create(model="gpt-4o", messages=weather, tools=tools).choices[0].message
call = turn.tool_calls[0]
assert json.loads(call.function.arguments) == {"city": "Paris"}
answer = {"role": "tool", "tool_call_id": call.id, "content": "Sunny"}
o.chat.completions.create(model="gpt-4o", messages=[*weather, turn, answer], tools=tools)
assert "forty-two." in o.responses.create(model="gpt-5.5", input="Hello").output_text
events = list(o.responses.create(model="gpt-5.5", input="Hello", stream=True))
assert events[-1].type == "response.completed"
assert len(o.embeddings.create(model="text-embedding-3-small", input=["one", "two"]).data) == 2
assert "old beer" in o.audio.transcriptions.create(model="whisper-1", file=("a.wav", bytes(4096))).text
refused(openai.NotFoundError, lambda: o.chat.completions.create(model="none", messages=messages))
bad = openai.OpenAI(base_url=f"{url}/v1", api_key=wrong)
refused(openai.AuthenticationError, lambda: bad.chat.completions.create(model="gpt-4o", messages=messages))

a = anthropic.Anthropic(base_url=url, api_key=key)
ask = {"model": "claude-sonnet-5", "max_tokens": 100}
whole = a.messages.create(messages=messages, **ask)
assert "quick brown fox" in whole.content[0].text
with a.messages.stream(messages=messages, **ask) as stream:
    assert stream.get_final_text() == whole.content[0].text
tools = [{"name": "get_weather", "input_schema": schema}]
turn = a.messages.create(messages=weather, tools=tools, **ask)
assert turn.stop_reason == "tool_use"
result = {"type": "tool_result", "tool_use_id": turn.content[0].id, "content": "Sunny"}
more = [*weather, {"role": "assistant", "content": turn.content}, {"role": "user", "content": [result]}]
assert a.messages.create(messages=more, tools=tools, **ask).stop_reason == "end_turn"
assert a.messages.count_tokens(model=ask["model"], messages=messages).input_tokens > 0
batch = a.messages.batches.create(requests=[{"custom_id": "a", "params": {"messages": messages, **ask}}])
assert a.messages.batches.retrieve(batch.id).results_url.startswith(url)
assert [line.result.type for line in a.messages.batches.results(batch.id)] == ["succeeded"]
refused(anthropic.NotFoundError, lambda: a.messages.create(**{**ask, "model": "none"}, messages=messages))
bad = anthropic.Anthropic(base_url=url, api_key=wrong)
refused(anthropic.AuthenticationError, lambda: bad.messages.create(messages=messages, **ask))
print(f"openai {openai.__version__}, anthropic {anthropic.__version__}")
PY

cat >"$dir/verify.mjs" <<'JS'
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const [dir, key] = process.argv.slice(2);
const { sent, usages } = JSON.parse(readFileSync(`${dir}/upstream.json`, 'utf8'));
const records = readFileSync(`${dir}/records.jsonl`, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
for (const part of key.split('_').slice(2)) assert.ok(sent.every((text) => !text.includes(part)), 'the key leaked');
// `serve` itself asks each provider for its models as it starts
const relayed = sent.filter((text) => !text.startsWith('/v1/models\n'));
assert.equal(records.filter(({ outcome }) => outcome === 'complete').length, relayed.length, 'one record for each request');
assert.equal(records.filter(({ outcome }) => outcome === 'refused').length, 4, 'each refusal is asked for once');
const metered = records.flatMap(({ usage }) => (usage ? [[usage.inputTokens, usage.outputTokens ?? 0]] : []));
assert.deepEqual(metered, usages);
console.log(`ok: ${relayed.length} requests relayed, ${metered.length} metered as the upstream did, 4 refused`);
JS

wait_for() {
  for _ in $(seq 200); do
    [ -s "$1" ] && return 0
    sleep 0.05
  done
  echo "$1 did not come within 10 s" >&2
  cat "$dir"/*.log >&2
  return 1
}

node "$dir/upstream.mjs" "$root" "$dir" 2>"$dir/upstream.log" &
upstream_pid=$!
pids+=("$upstream_pid")
wait_for "$dir/upstream.url"
upstream=$(cat "$dir/upstream.url")

# the gateway's own folder, so that no configuration of the place where this is run is picked up
mkdir "$dir/gateway"
(cd "$dir/gateway" && exec env -i PATH="$PATH" HOME="$dir" \
  OPENAI_API_KEY=sk-upstream OPENAI_BASE_URL="$upstream/v1" \
  ANTHROPIC_API_KEY=sk-upstream ANTHROPIC_BASE_URL="$upstream" \
  node "$root/dist/cli.js" serve --port 0 --json --records "$dir/records.jsonl") \
  >"$dir/serve.json" 2>"$dir/serve.log" &
gateway_pid=$!
pids+=("$gateway_pid")
wait_for "$dir/serve.json"
read_start() { node -p "JSON.parse(require('fs').readFileSync('$dir/serve.json', 'utf8').split('\n')[0]).$1"; }
key=$(read_start temporaryKey)

env -i PATH="$PATH" HOME="$dir" timeout 120 "$venv/bin/python" "$dir/clients.py" "$(read_start url)" "$key"

kill -TERM "$gateway_pid"
wait "$gateway_pid"
kill -TERM "$upstream_pid"
wait "$upstream_pid" || true
node "$dir/verify.mjs" "$dir" "$key"
