import { registerHooks } from 'node:module';

const source = new URL('../../../src/index.ts', import.meta.url).href;

// adapters import the package by its name; here that is the source, so that nothing has to be built
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'headgate'
      ? { url: source, format: 'module-typescript', shortCircuit: true }
      : next(specifier, context),
});
