import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toSmallReply } from './payloads.ts';

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

export const hasNginx = spawnSync('nginx', ['-v']).error === undefined;

function writeConfig(directory: string, server: string, before = ''): Command {
  mkdirSync(join(directory, 'temp'), { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path temp/${name};`)
    .join('\n  ');
  writeFileSync(
    join(directory, 'nginx.conf'),
    `daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
events { worker_connections 19800; }
http {
  access_log off;
  ${temporary}
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  tcp_nodelay on;
  ${before}
  ${server}
}
`,
  );
  return { command: 'nginx', args: ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'] };
}

/** nginx as the upstream of the JSON cases: a fixed reply, several times as fast as a Node process could give it. */
export function toNginxUpstream(directory: string, port: number): Command {
  return writeConfig(
    directory,
    `server {
    listen 127.0.0.1:${port} backlog=4096;
    location /json1k { default_type application/json; return 200 '${toSmallReply()}'; }
  }`,
  );
}

/** nginx as a subject: a plain reverse proxy with keep-alive to the upstream, the body buffered, the reply not. */
export function toNginxProxy(directory: string, port: number, upstream: URL): Command {
  return writeConfig(
    directory,
    `server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://upstream${upstream.pathname}/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 300s;
    }
  }`,
    `upstream upstream { server ${upstream.host}; keepalive 1024; keepalive_requests 1000000000; }`,
  );
}
