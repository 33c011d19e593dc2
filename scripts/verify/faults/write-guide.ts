import { writeFileSync } from 'node:fs';
import '../propagation/source-loader.ts';

const { toGuide } = await import('./guide.ts');
writeFileSync(new URL('../../../docs/what-happens-when.md', import.meta.url), toGuide());
