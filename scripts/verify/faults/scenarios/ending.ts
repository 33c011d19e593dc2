import type { Scenario } from './scenario.ts';
import { whileServing } from './serving.ts';
import { firstDialect, until } from './stage.ts';

/** SIGTERM with streams in flight. */
export const drain: Scenario = {
  title:
    'SIGTERM with streams in flight: not ready at once; streams that end within `drainMs` are whole, the rest end with an error; exit 0, one record each',
  isHeavy: true,
  async run() {
    return whileServing(
      { arguments: ['--drain-ms', '1500'] },
      async ({ server, upstream, ask, check, figure }) => {
        // one that ends in time, and one that never does
        upstream.decide((request) => (request.place + request.connection === 0 ? quick : never));
        const first = ask(true);
        await until(() => upstream.seen.length === 1);
        const second = ask(true);
        await until(() => upstream.seen.length === 2 && (upstream.seen[1]?.sentBytes ?? 0) > 0);
        const startedMs = performance.now();
        server.child.kill('SIGTERM');
        await until(() => server.written.stderr.includes('finishing'), 1_000);
        const late = await fetch(server.url).then(
          ({ status }) => status,
          () => 0,
        );
        check(late === 0 || late === 503, `it says of itself ${late} after SIGTERM`);
        const [whole, cut] = [await first, await second];
        const readWhole = firstDialect.readStream(whole.body);
        check(
          readWhole.isWhole && readWhole.errors.length === 0,
          'the stream that ended in time is not whole',
        );
        const readCut = firstDialect.readStream(cut.body);
        check(!readCut.isWhole, 'the stream that was cut ends as if it were whole');
        check(
          readCut.errors[0]?.code === 'shutting_down',
          `the stream that was cut ends with ${readCut.errors[0]?.code ?? 'no error'}`,
        );
        const { code, signal } = await server.exit;
        check(code === 0, `it exited with ${code ?? signal}`);
        figure(`exited after ${(performance.now() - startedMs).toFixed(0)} ms with 1,500 ms to drain`);
        const records = await server.records();
        check(records.length === 2, `${records.length} records for 2 requests`);
      },
    );
  },
};

const quick = { do: 'slow', bytes: 600, everyMs: 100 } as const;
const never = { do: 'stall', after: 2 } as const;

/** A second signal. */
export const secondSignal: Scenario = {
  title: 'another signal arrives while it drains: the process ends at once',
  isHeavy: true,
  async run() {
    return whileServing({}, async ({ server, upstream, ask, check, figure }) => {
      upstream.script(never);
      const reply = ask(true).catch(() => undefined);
      await until(() => upstream.seen.length === 1);
      server.child.kill('SIGTERM');
      await until(() => server.written.stderr.includes('finishing'));
      const startedMs = performance.now();
      server.child.kill('SIGINT');
      const { code } = await server.exit;
      const ms = performance.now() - startedMs;
      check(code === 1, `it exited with ${code}`);
      check(ms < 1_000, `it took ${ms.toFixed(0)} ms`);
      figure(`ended after ${ms.toFixed(0)} ms`);
      await reply;
    });
  },
};

/** Nobody reads what it writes. */
export const closedOutput: Scenario = {
  title: 'its standard output and error are closed: requests are served',
  isHeavy: true,
  async run() {
    return whileServing({}, async ({ server, ask, check }) => {
      server.child.stdout?.destroy();
      server.child.stderr?.destroy();
      for (let times = 0; times < 3; times++) {
        // each reload writes a line
        server.child.kill('SIGHUP');
        check((await ask(false)).status === 200, 'a request was not answered');
      }
      server.child.kill('SIGTERM');
      check((await server.exit).code === 0, 'it did not exit with 0');
    });
  },
};

/** Records have nowhere to go. */
export const fullDisk: Scenario = {
  title: 'the disk that takes the records is full: requests are served, and the failure is reported',
  isHeavy: true,
  async run() {
    if (process.platform !== 'linux') return { findings: [], skipped: '/dev/full is on Linux only' };
    return whileServing({ recordsPath: '/dev/full' }, async ({ server, ask, check }) => {
      for (let times = 0; times < 200; times++) {
        check((await ask(times % 2 === 0)).status === 200, 'a request was not answered');
      }
      await until(() => server.written.stderr.includes('ENOSPC'));
      check(server.written.stderr.includes('ENOSPC'), 'nothing was said of it');
      check(server.written.stderr.length < 200 * 10_240, 'more than 10 KB for each request was written');
      server.child.kill('SIGTERM');
      check((await server.exit).code === 0, 'it did not exit with 0');
    });
  },
};

/** Too many connections for the process. */
export const noDescriptors: Scenario = {
  title:
    'more streams than the process has file descriptors for: it lives on, and serves again when they are over',
  isHeavy: true,
  async run() {
    if (process.platform === 'win32') return { findings: [], skipped: 'there is no ulimit on Windows' };
    return whileServing({ openFiles: 64 }, async ({ server, upstream, ask, check, figure }) => {
      upstream.script({ do: 'slow', bytes: 1_500, everyMs: 200 });
      const results = await Promise.all(
        Array.from({ length: 150 }, () =>
          ask(true).then(
            ({ status }) => status,
            () => 0,
          ),
        ),
      );
      upstream.script({ do: 'answer' });
      check(server.child.exitCode === null, `it ended with ${server.child.exitCode}`);
      const answered = results.filter((status) => status === 200).length;
      const refused = results.filter((status) => status >= 500).length;
      check(answered > 0, 'nobody was answered');
      figure(
        `${answered} answered, ${refused} refused, ${150 - answered - refused} not connected, with 64 descriptors`,
      );
      check((await ask(false)).status === 200, 'it does not serve afterwards');
      // those that could not be written meanwhile are when idle connections have given their descriptors back
      let written = 0;
      for (let times = 0; times < 150 && written <= answered; times++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        written = (await server.records()).length;
      }
      check(written > answered, `${written} records for ${answered + 1} answers`);
    });
  },
};
