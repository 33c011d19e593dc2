import { holdAllOf } from './limits/end-run.ts';
import type { Ledger } from './limits/ledger.ts';
import type { RunOptions, RunScope, Runs } from './limits/run.ts';
import { runHeader } from './limits/run-of.ts';
import { type FetchHandler, loadFetchHandler } from './load-fetch-handler.ts';
import type { GatewayReply, GatewayRequest } from './message.ts';

/** An agent run with a budget of its own. */
export interface Run {
  /** Stands in the records of its requests, as `run`. */
  readonly id: string;
  /** What makes a request part of it: sent by the agent, or set by whoever stands before the gateway. */
  readonly headers: { readonly 'x-headgate-run': string };
  /** As `gateway.handle`; part of this run whatever its headers say. */
  handle(request: GatewayRequest): Promise<GatewayReply>;
  /**
   * Ends it before its time: this gateway refuses its requests from now on, and every other one on the same ledger once
   * this has resolved, but for what it has leased of the run's budget ahead of need. What is running goes on to its end.
   *
   * @throws Error when the ledger cannot be told; here the run is ended all the same
   */
  close(): Promise<void>;
  /** As `gateway.fetch`; part of this run whatever its headers say: for an SDK in this process. */
  fetch(request: Request, host?: unknown): Promise<Response>;
}

/** The runs of one gateway. */
export interface AgentRuns {
  /** @throws TypeError for an amount out of its range, naming it */
  open(options: RunOptions): Run;
  /** The run that the host application says a request is part of. */
  hostRunOf(request: GatewayRequest): RunScope | undefined;
  /** As `gateway.endRun`. */
  end(token: string): Promise<void>;
}

/** What the runs of a gateway are made of. */
export interface AgentRunsOptions {
  readonly runs: Runs;
  /** As `runOf` of the gateway's options. */
  readonly runOf: ((request: GatewayRequest) => Run | string | undefined) | undefined;
  /** The ledger that gateways share, without what stands before it. */
  readonly ledger: Ledger;
  /** Handles a request as part of a run. */
  readonly handle: (request: GatewayRequest, run: RunScope) => Promise<GatewayReply>;
}

/** The runs of one gateway; a run that was opened here is known again by itself, one of another gateway by its token. */
export function createAgentRuns({ runs, runOf, ledger, handle }: AgentRunsOptions): AgentRuns {
  /** The runs that were opened here. */
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
      // one that another gateway has opened is known by its token
      return typeof said === 'string' ? { id: said } : (scopes.get(said) ?? runs.read(said.headers));
    },
  };
}
