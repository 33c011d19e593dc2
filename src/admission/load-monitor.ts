import { perfHooks, v8 } from '../built-in.ts';

/** How busy the process is. */
export interface Load {
  /** How late the event loop runs what is due, in milliseconds: the typical value since the last read. */
  readonly loopDelayMs: number;
  /** The used share of the heap's limit, from 0 to 1. */
  readonly heapShare: number;
}

/** Reports how busy the process is. */
export interface LoadMonitor {
  /** Called every now and then while requests come. */
  read(): Load;
  close(): void;
}

const resolutionMs = 20;

/** The event loop and the heap of this process. Measures from its first read on. */
export function createLoadMonitor(): LoadMonitor {
  let histogram: ReturnType<typeof perfHooks.monitorEventLoopDelay> | undefined;
  return {
    read() {
      const { used_heap_size, heap_size_limit } = v8().getHeapStatistics();
      const heapShare = used_heap_size / heap_size_limit;
      if (!histogram) {
        histogram = perfHooks.monitorEventLoopDelay({ resolution: resolutionMs });
        histogram.enable();
        return { loopDelayMs: 0, heapShare };
      }
      // the median: a loop that stalled once is not overloaded
      const delayMs = histogram.count === 0 ? 0 : histogram.percentile(50) / 1e6 - resolutionMs;
      histogram.reset();
      return { loopDelayMs: Math.max(0, delayMs), heapShare };
    },
    close() {
      histogram?.disable();
      histogram = undefined;
    },
  };
}
