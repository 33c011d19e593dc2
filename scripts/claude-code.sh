#!/usr/bin/env bash
# Runs the real Claude Code through `headgate serve`, in front of a local upstream: a plain turn, a round trip of the
# Bash tool and of the Read tool, and a wrong key. Nothing leaves this machine but the installation.
#
# Not part of any test command: Claude Code is a download of several hundred megabytes under its own licence.
#
#   npm run build && scripts/claude-code.sh
#
#   CLAUDE_CODE_VERSION  version to install (default: latest)
#   CLAUDE_CODE_DIR      folder in which it is installed already, or is to stay
#   KEEP=1               keep the folder of this run, with everything that was sent
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
[ -f "$root/dist/cli.js" ] || { echo "Run npm run build first." >&2; exit 2; }
# npm takes the newest version that the Node it runs on is good for, so ours comes first
export PATH="$root/node_modules/.bin:$PATH"

dir=$(mktemp -d "${TMPDIR:-/tmp}/headgate-claude-code.XXXXXX")
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  if [ "${KEEP:-}" = 1 ]; then echo "kept: $dir"; else rm -rf "$dir"; fi
}
trap finish EXIT

claude_dir=${CLAUDE_CODE_DIR:-$dir/claude}
claude="$claude_dir/node_modules/.bin/claude"
if [ ! -x "$claude" ]; then
  mkdir -p "$claude_dir"
  npm install --prefix "$claude_dir" --no-audit --no-fund --loglevel error \
    "@anthropic-ai/claude-code@${CLAUDE_CODE_VERSION:-latest}"
fi

mkdir -p "$dir/home" "$dir/project"
echo "the blue note" >"$dir/project/note.txt"

cat >"$dir/upstream.mjs" <<'JS'
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [root, dir] = process.argv.slice(2);
const { createFakeUpstream } = await import(pathToFileURL(`${root}/dist/testing.js`).href);
const tools = {
  'ask bash': { name: 'Bash', arguments: { command: 'cat note.txt', description: 'Read the note' } },
  'ask read': { name: 'Read', arguments: { file_path: `${dir}/project/note.txt` } },
};

function reply({ json }) {
  const text = JSON.stringify(json?.messages ?? []);
  if (text.includes('"tool_result"')) {
    return { text: text.includes('the blue note') ? 'The note is blue.' : 'There was no note.' };
  }
  const asked = Object.keys(tools).find((marker) => text.includes(marker));
  return asked ? { toolCalls: [tools[asked]] } : { text: 'Hello from behind the gateway.' };
}

const upstream = await createFakeUpstream({ apiKeys: ['sk-ant-upstream'], reply });
process.on('SIGTERM', async () => {
  const requests = upstream.requests.map(({ method, path, query, headers, body }) => {
    const entry = upstream.tally.find(({ request }) => request.body === body);
    return { method, path, query, headers, body: body.toString(), usage: entry?.usage };
  });
  writeFileSync(`${dir}/upstream.json`, JSON.stringify(requests));
  await upstream.close();
});
writeFileSync(`${dir}/upstream.url`, upstream.url);
JS

cat >"$dir/verify.mjs" <<'JS'
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const [dir, key] = process.argv.slice(2);
const read = (name) => readFileSync(`${dir}/${name}`, 'utf8');
const turns = ['plain', 'bash', 'read'];
const results = Object.fromEntries(turns.map((name) => [name, JSON.parse(read(`${name}.json`))]));
const sent = JSON.parse(read('upstream.json')).filter(({ path }) => path === '/v1/messages');
const records = read('records.jsonl').trim().split('\n').map((line) => JSON.parse(line));

assert.match(results.plain.result, /Hello from behind the gateway/);
assert.match(results.bash.result, /The note is blue/);
assert.match(results.read.result, /The note is blue/);
for (const name of turns) assert.equal(results[name].is_error, false, name);

const served = records.filter(({ operation, status }) => operation === 'message' && status === 200);
assert.equal(sent.length, 5, 'one request for the plain turn, two for each round trip');
assert.equal(served.length, sent.length, 'one record for each request');
for (const [index, { headers, query, body, usage }] of sent.entries()) {
  const everything = JSON.stringify([headers, query]) + body;
  for (const part of key.split('_').slice(2)) assert.ok(!everything.includes(part), 'the key reached the upstream');
  assert.equal(headers['x-api-key'], 'sk-ant-upstream');
  assert.equal(headers.authorization, undefined);
  assert.match(headers['anthropic-beta'], /claude-code-/);
  assert.match(headers['user-agent'], /^claude-cli\//);
  assert.equal(query, 'beta=true');
  const record = served[index];
  assert.equal(record.outcome, 'complete');
  assert.equal(record.usage.source, 'reported');
  const { inputTokens, cachedTokens, cacheWriteTokens, cacheWrite1hTokens, outputTokens, reasoningTokens } = usage;
  assert.equal(record.usage.inputTokens, inputTokens + cachedTokens + cacheWriteTokens + cacheWrite1hTokens);
  assert.equal(record.usage.outputTokens, outputTokens + reasoningTokens);
}
const refused = records.filter(({ errorCode }) => errorCode === 'invalid_key');
assert.equal(refused.length, 1, 'a wrong key is tried once');
assert.match(read('wrong.json'), /401/);

console.log(`records: ${records.map(({ operation, status }) => `${operation} ${status}`).join(', ')}`);
console.log(`usage:   ${served.map(({ usage }) => `${usage.inputTokens}+${usage.outputTokens}`).join(', ')}`);
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

(cd "$dir/home" && exec env -i PATH="$PATH" HOME="$dir/home" \
  ANTHROPIC_API_KEY=sk-ant-upstream ANTHROPIC_BASE_URL="$(cat "$dir/upstream.url")" \
  node "$root/dist/cli.js" serve --port 0 --json --records "$dir/records.jsonl") \
  >"$dir/serve.json" 2>"$dir/serve.log" &
gateway_pid=$!
pids+=("$gateway_pid")
wait_for "$dir/serve.json"
read_start() { node -p "JSON.parse(require('fs').readFileSync('$dir/serve.json', 'utf8').split('\n')[0]).$1"; }
url=$(read_start url)
key=$(read_start temporaryKey)

# a home of its own, so that no other installation of Claude Code is touched or heard
run_claude() {
  (cd "$dir/project" && exec timeout 120 env -i PATH="$PATH" HOME="$dir/home" CLAUDE_CONFIG_DIR="$dir/home/.claude" \
    ANTHROPIC_BASE_URL="$url" ANTHROPIC_AUTH_TOKEN="$1" \
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 DISABLE_TELEMETRY=1 DISABLE_ERROR_REPORTING=1 \
    ${RETRIES:+CLAUDE_CODE_MAX_RETRIES=$RETRIES} \
    "$claude" -p "$2" --output-format json "${@:3}" </dev/null)
}

echo "Claude Code $(run_claude "$key" "" --version)"
RETRIES=0 run_claude "$key" "say hi" >"$dir/plain.json"
RETRIES=0 run_claude "$key" "ask bash" --allowedTools Bash >"$dir/bash.json"
RETRIES=0 run_claude "$key" "ask read" --allowedTools Read >"$dir/read.json"
# with its own retries on: what stops it is the gateway's advice
if run_claude "hg_live_000000000000_$(printf '0%.0s' $(seq 49))" "say hi" >"$dir/wrong.json"; then
  echo "a wrong key was accepted" >&2
  exit 1
fi

kill -TERM "$gateway_pid"
wait "$gateway_pid"
kill -TERM "$upstream_pid"
wait "$upstream_pid" || true
node "$dir/verify.mjs" "$dir" "$key"
echo "ok: plain turn, Bash round trip, Read round trip, wrong key"
