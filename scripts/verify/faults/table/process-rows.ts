import type { FaultRow } from './row.ts';

/** What happens to the process that the gateway runs in. */
export const processRows: readonly FaultRow[] = [
  {
    id: '79',
    title: 'The process is told to stop (SIGTERM)',
    note: 'It reports at once that it is not ready, lets streams finish for `drainMs`, ends the rest with an error in their dialect, settles everything, and exits with 0. A second signal ends it at once.',
    cases: [],
    scenarios: ['drain', 'second-signal'],
  },
  {
    id: '80',
    title: 'The host application closes its server, throws in its own code, or mounts the gateway twice',
    cases: [],
    scenarios: ['host-closes', 'host-throws', 'double-mount'],
  },
  {
    id: '84',
    title: 'The event loop is blocked for two seconds',
    note: 'No timeout fires for what arrived in the meantime.',
    cases: [],
    scenarios: ['blocked-loop'],
  },
  {
    id: '85',
    title: 'A million requests, a tenth of them streams, some of them abandoned',
    cases: [],
    scenarios: ['million'],
  },
  {
    id: '86',
    title: 'Nine thousand streams at once',
    cases: [],
    scenarios: ['many-streams'],
  },
  {
    id: '87',
    title: 'No file descriptors are left, the disk is full, or the output is closed',
    note: 'Requests are served. A caller that cannot be served for lack of a socket gets 503 `overloaded` and loses its connection, which makes room. Records that cannot be written wait in a bounded queue.',
    cases: [],
    scenarios: ['no-descriptors', 'full-disk', 'closed-output'],
  },
  {
    id: '88',
    title: 'The configuration is replaced while streams run, or by an invalid one',
    note: 'What is running finishes under the old one. An invalid one is refused, and the old one stays.',
    cases: [],
    scenarios: ['reload'],
  },
  {
    id: '89',
    title: 'Everybody uses one key',
    cases: [],
    scenarios: ['hot-key'],
  },
  {
    id: '90',
    title: 'A function of the host application throws: a sink, a hook, a stage',
    note: 'The request is answered, or ends with an error; either way it is settled, and the process lives on.',
    cases: [],
    scenarios: ['throwing-hooks'],
  },
];
