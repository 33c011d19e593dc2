import { createRuntime } from '../../src/runtime.ts';
import { withFileLock } from '../../src/stores/file/file-lock.ts';

const [path = ''] = process.argv.slice(2);
const holding = withFileLock(path, createRuntime(), 15_000, async () => console.log('held'));
console.log('waiting');
await holding;
