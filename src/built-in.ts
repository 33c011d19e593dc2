import { lazily } from './lazily.ts';

/*
 * Modules of Node as they are. An `import` of one makes Node load whatever any of its exports leads to, worker threads and
 * the file watcher among it: a sixth of what importing the package took, for nothing that is used.
 */
/** Files of secrets and of records. */
export const fs = process.getBuiltinModule('node:fs');
/** Compares values. */
export const util = process.getBuiltinModule('node:util');
/** The monotonic clock, and how far behind the event loop is. */
export const perfHooks = process.getBuiltinModule('node:perf_hooks');
/** How full the heap is. */
export const v8 = lazily(() => process.getBuiltinModule('node:v8'));
/** Checksums of keys. */
export const zlib = lazily(() => process.getBuiltinModule('node:zlib'));
