import type { ConnectionFault, Fault } from './faults.ts';
import type { FailOptions, FaultSelector, RecordedRequest } from './types.ts';

/** The faults scripted for later requests. */
export interface FaultScript {
  add(fault: Fault | readonly Fault[] | FaultSelector, options: FailOptions): void;
  /** The faults of a request; uses up one of the matching rule. */
  take(request: RecordedRequest): readonly Fault[];
  /** The fault of a newly accepted connection; uses up one. */
  takeAccept(): ConnectionFault | undefined;
  clear(): void;
}

interface Rule {
  readonly select: FaultSelector;
  readonly accept: ConnectionFault | undefined;
  left: number;
}

/** An empty script. */
export function createFaultScript(): FaultScript {
  let rules: Rule[] = [];
  const use = (rule: Rule) => {
    rule.left -= 1;
    if (rule.left <= 0) {
      rules = rules.filter((candidate) => candidate !== rule);
    }
  };
  return {
    add(fault, options) {
      const times = options.times ?? (typeof fault === 'function' ? Number.POSITIVE_INFINITY : 1);
      const select = typeof fault === 'function' ? fault : () => fault;
      rules.push({
        select: (request) =>
          options.when === undefined || options.when(request) ? select(request) : undefined,
        accept: typeof fault === 'function' ? undefined : [fault].flat().find(isAcceptFault),
        left: times,
      });
    },
    take(request) {
      for (const rule of rules) {
        const found = rule.accept === undefined ? rule.select(request) : undefined;
        if (found !== undefined) {
          use(rule);
          return [found].flat();
        }
      }
      return [];
    },
    takeAccept() {
      const rule = rules.find((candidate) => candidate.accept !== undefined);
      if (rule !== undefined) {
        use(rule);
      }
      return rule?.accept;
    },
    clear() {
      rules = [];
    },
  };
}

function isAcceptFault(fault: Fault): fault is ConnectionFault {
  return fault.kind === 'connection' && fault.at === 'accept';
}
