import { lazily } from './lazily.ts';

/*
 * Node modules without `import`, which makes Node load whatever any of their exports leads to, including worker threads
 * and the file watcher: a sixth of the package's import time, for nothing that is used.
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
