import { holdAllOf } from './limits/end-run.ts';
import type { Ledger } from './limits/ledger.ts';
import type { RunOptions, RunScope, Runs } from './limits/run.ts';
import { runHeader } from './limits/run-of.ts';
import { type FetchHandler, loadFetchHandler } from './load-fetch-handler.ts';
import type { GatewayReply, GatewayRequest } from './message.ts';

/** An agent run with a budget of its own. */
export interface Run {
  /** In the records of its requests, as `run`. */
  readonly id: string;
  /** Make a request part of it: sent by the agent, or set by whatever is in front of the gateway. */
  readonly headers: { readonly 'x-headgate-run': string };
  /** Like `gateway.handle`; part of this run, whatever the headers say. */
  handle(request: GatewayRequest): Promise<GatewayReply>;
  /**
   * Ends it early: this gateway refuses its requests from now on, and so does every other on the same ledger once this
   * has resolved, except within what it has leased of the run's budget ahead of need. Running requests go on to their
   * end.
   *
   * @throws Error when the ledger fails; on this gateway the run has ended all the same
   */
  close(): Promise<void>;
  /** Like `gateway.fetch`, for an SDK in this process; part of this run, whatever the headers say. */
  fetch(request: Request, host?: unknown): Promise<Response>;
}

/** The runs of one gateway. */
export interface AgentRuns {
  /** @throws TypeError naming an amount that is out of range */
  open(options: RunOptions): Run;
  /** The run that the host application says a request is part of. */
  hostRunOf(request: GatewayRequest): RunScope | undefined;
  /** As `gateway.endRun`. */
  end(token: string): Promise<void>;
}

/** Options of `createAgentRuns`. */
export interface AgentRunsOptions {
  readonly runs: Runs;
  /** As `runOf` of the gateway's options. */
  readonly runOf: ((request: GatewayRequest) => Run | string | undefined) | undefined;
  /** The ledger that gateways share, without what is in front of it. */
  readonly ledger: Ledger;
  /** Handles a request as part of a run. */
  readonly handle: (request: GatewayRequest, run: RunScope) => Promise<GatewayReply>;
}

/** The runs of one gateway. A run opened here is recognised by its object, one of another gateway by its token. */
export function createAgentRuns({ runs, runOf, ledger, handle }: AgentRunsOptions): AgentRuns {
  /** The runs opened here. */
  const scopes = new WeakMap<Run, RunScope>();

  async function end(scope: RunScope): Promise<void> {
    runs.end(scope.id);
    await holdAllOf(scope, ledger);
  }

  return {
    open(options) {
      const { scope, token } = runs.open(options);
      const handleInside = (request: GatewayRequest) => handle(request, scope);
      let fetchInside: FetchHandler | undefined;
      const opened: Run = {
        id: scope.id,
        headers: { [runHeader]: token },
        handle: handleInside,
        close: () => end(scope),
        async fetch(request, host) {
          fetchInside ??= await loadFetchHandler(handleInside);
          return fetchInside(request, host);
        },
      };
      scopes.set(opened, scope);
      return opened;
    },
    end: async (token) => end(runs.readToken(token)),
    hostRunOf(request) {
      const said = runOf?.(request);
      if (said === undefined) return undefined;
      // a run of another gateway is recognised by its token
      return typeof said === 'string' ? { id: said } : (scopes.get(said) ?? runs.read(said.headers));
    },
  };
}
