import type { SpawnOptions } from 'node:child_process';

/** Where a subject listens, what it stands in front of, and a directory of its own for files. */
export interface SubjectPlace {
  readonly port: number;
  /** Without a trailing slash: the caller's `/v1/chat/completions` is appended to it. */
  readonly upstreamUrl: string;
  readonly directory: string;
}

/** How to start a process. */
export interface StartCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly options?: SpawnOptions;
}

/** One thing under test: how to start it and how to speak to it. */
export interface Subject {
  readonly name: SubjectName;
  /** Why it cannot run on this machine; `undefined` when it can. */
  missing(): string | undefined;
  /** Version of what runs, for the results. */
  version(): string | undefined;
  /** `undefined` for the upstream itself, which runs already. */
  start(place: SubjectPlace): StartCommand | undefined;
  /** Headers that a request to it needs besides its content type. */
  headers(place: SubjectPlace): Record<string, string>;
  /** Whether it makes a key at start and sends `{ key }` to the bench. */
  readonly makesKey: boolean;
  readonly startTimeoutMs: number;
}

export const subjectNames = [
  'direct',
  'nginx',
  'bare',
  'headgate',
  'express',
  'fastify',
  'hono',
  'portkey',
  'litellm',
  'bifrost',
] as const;
export type SubjectName = (typeof subjectNames)[number];

export function isSubjectName(name: string): name is SubjectName {
  return (subjectNames as readonly string[]).includes(name);
}
