import { registerTracer } from '../telemetry/tracer.ts';
import type { Evidence } from './evidence.ts';

const consoleMethods = ['debug', 'error', 'info', 'log', 'trace', 'warn'] as const;

/** Keeps whatever this process prints, warns of or traces until the function returned is called. */
export function observeProcess(evidence: Evidence): () => void {
  const undo: (() => void)[] = [];
  for (const method of consoleMethods) {
    const original = console[method];
    console[method] = (...given: unknown[]) => {
      for (const value of given) {
        if (typeof value === 'string') evidence.add('console', `console.${method}`, value);
        else evidence.addObject('console', `console.${method}`, value);
      }
    };
    undo.push(() => {
      console[method] = original;
    });
  }
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = process[name];
    const original = stream.write;
    stream.write = ((chunk: string | Uint8Array, ...rest: never[]) => {
      evidence.add('console', name, chunk);
      return original.call(stream, chunk, ...rest);
    }) as typeof stream.write;
    undo.push(() => {
      stream.write = original;
    });
  }
  const onWarning = (warning: Error) => evidence.addObject('console', 'warning of the process', warning);
  process.on('warning', onWarning);
  undo.push(() => process.off('warning', onWarning));
  const tracer = registerTracer();
  undo.push(() => {
    tracer.remove();
    for (const span of tracer.spans) evidence.add('spans', span.name, JSON.stringify(span));
  });
  return () => {
    for (const each of undo) each();
  };
}
