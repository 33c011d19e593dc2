import './propagation/source-loader.ts';

// after the loader, which what it imports is found by
await import('./routing/main.ts');
