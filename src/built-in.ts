import { lazily } from './lazily.ts';

/*
 * Modules of Node as they are. An `import` of one makes Node load whatever any of its exports leads to, worker threads and
 * the file watcher among it: a sixth of what importing the package took, for nothing that is used.
 */
export const fs = process.getBuiltinModule('node:fs');
export const util = process.getBuiltinModule('node:util');
export const perfHooks = process.getBuiltinModule('node:perf_hooks');
export const v8 = lazily(() => process.getBuiltinModule('node:v8'));
export const zlib = lazily(() => process.getBuiltinModule('node:zlib'));
