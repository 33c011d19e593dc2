import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasNginx, toNginxProxy } from './nginx.ts';
import { modelName } from './payloads.ts';
import { findPeer, portkeyPackage, readPackageVersion } from './peers.ts';
import type { Subject, SubjectName } from './subject.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const upstreamKey = 'sk-bench-upstream';

function toSubject(name: SubjectName, parts: Partial<Subject>): Subject {
  return {
    name,
    missing: () => undefined,
    version: () => undefined,
    start: ({ port, upstreamUrl }) => ({
      command: process.execPath,
      args: [join(root, 'bench', 'subjects', `${name}.ts`)],
      options: {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        env: { ...process.env, NODE_ENV: 'production', PORT: String(port), UPSTREAM_URL: upstreamUrl },
      },
    }),
    headers: () => ({ authorization: `Bearer ${upstreamKey}` }),
    makesKey: false,
    startTimeoutMs: 15_000,
    ...parts,
  };
}

function toHeadgateSubject(name: SubjectName, framework?: string): Subject {
  return toSubject(name, {
    missing: () =>
      existsSync(join(root, 'dist', 'index.js')) ? undefined : 'the package is not built: npm run build',
    version: () => readPackageVersion(framework ? join(root, 'node_modules', framework) : root),
    makesKey: true,
  });
}

const notInstalled = 'not installed; a full run installs it, --quick and --no-install do not';

/** Every subject, in the order of the table and of a round. */
export const subjects: readonly Subject[] = [
  toSubject('direct', { start: () => undefined }),
  toSubject('nginx', {
    missing: () => (hasNginx ? undefined : 'nginx is not installed'),
    version: () => /nginx\/(\S+)/.exec(spawnSync('nginx', ['-v']).stderr?.toString() ?? '')?.[1],
    start: ({ directory, port, upstreamUrl }) => toNginxProxy(directory, port, new URL(upstreamUrl)),
  }),
  toSubject('bare', { version: () => readPackageVersion(join(root, 'node_modules', 'undici')) }),
  toHeadgateSubject('headgate'),
  toHeadgateSubject('express', 'express'),
  toHeadgateSubject('fastify', 'fastify'),
  toHeadgateSubject('hono', 'hono'),
  toSubject('portkey', {
    missing: () => (findPeer('portkey') ? undefined : notInstalled),
    version: () => readPackageVersion(portkeyPackage),
    start: ({ port, upstreamUrl }) => ({
      command: process.execPath,
      args: [
        '--import',
        join(root, 'bench', 'subjects', 'prepare-portkey.ts'),
        findPeer('portkey') ?? '',
        `--port=${port}`,
        '--headless',
      ],
      options: {
        cwd: join(portkeyPackage, '..', '..', '..'),
        // it refuses private addresses as upstreams unless they are named
        env: { ...process.env, NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: new URL(upstreamUrl).hostname },
      },
    }),
    headers: ({ upstreamUrl }) => ({
      authorization: `Bearer ${upstreamKey}`,
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `${upstreamUrl}/v1`,
    }),
  }),
  toSubject('litellm', {
    missing: () => (findPeer('litellm') ? undefined : notInstalled),
    version: () => {
      const code = 'from importlib.metadata import version; print(version("litellm"))';
      const python = join(findPeer('litellm') ?? '', '..', 'python');
      return spawnSync(python, ['-c', code]).stdout?.toString().trim() || undefined;
    },
    start: ({ directory, port, upstreamUrl }) => {
      const config = join(directory, 'litellm.json');
      const parameters = {
        model: `openai/${modelName}`,
        api_base: `${upstreamUrl}/v1`,
        api_key: upstreamKey,
      };
      // JSON is YAML too
      writeFileSync(
        config,
        JSON.stringify({
          model_list: [{ model_name: modelName, litellm_params: parameters }],
          litellm_settings: { telemetry: false },
          // it refuses to start without one
          general_settings: { master_key: upstreamKey },
        }),
      );
      return {
        command: findPeer('litellm') ?? '',
        args: ['--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'],
        options: {
          cwd: directory,
          env: { ...process.env, LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_LOG: 'ERROR' },
        },
      };
    },
    startTimeoutMs: 120_000,
  }),
  toSubject('bifrost', {
    missing: () => (findPeer('bifrost') ? undefined : notInstalled),
    start: ({ directory, port, upstreamUrl }) => {
      const keys = [{ name: 'bench', value: upstreamKey, models: ['*'], weight: 1 }];
      const provider = { keys, network_config: { base_url: upstreamUrl } };
      const config = {
        client: { enable_logging: false },
        providers: { openai: provider },
        config_store: { enabled: false },
      };
      writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
      return {
        command: findPeer('bifrost') ?? '',
        args: ['-app-dir', directory, '-host', '127.0.0.1', '-port', String(port)],
      };
    },
    startTimeoutMs: 60_000,
  }),
];
