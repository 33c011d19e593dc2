import {
  afterPromises,
  atEndOfTurn,
  type GatewayReply,
  type GatewayRequest,
  Gathered,
  gather,
} from 'headgate';
import { countReaders } from './bridge/node-body.ts';
import {
  type NodeDetails,
  NodeExchange,
  type NodeRequest,
  type NodeResponse,
} from './bridge/node-exchange.ts';
import { stopBody } from './bridge/node-pump.ts';
import { sendNodeReply } from './bridge/node-reply.ts';
import { assertGateway, type GatewayHandler, type NodeLimits, toLimits } from './bridge/settings.ts';

export { type ClosableServer, type CloseOptions, closeGracefully } from './bridge/close-gracefully.ts';
export type { AdapterLimits, GatewayHandler, NodeLimits } from './bridge/settings.ts';
export type { NodeDetails, NodeRequest, NodeResponse };

/** Options of the adapters that answer through `node:http` or `node:http2`. */
export interface NodeHandlerOptions<Request = NodeRequest> extends NodeLimits {
  /**
   * Returns what the host application knows about the caller (its session, tenant, …); custom stages find it as
   * `request.host`. Runs for every request and must be synchronous; if it throws, the request is answered
   * with 500. @default nothing is passed
   */
  readonly host?: (request: Request) => unknown;
}

/**
 * Makes a request listener for `node:http`, `node:https` and the compatibility API of `node:http2`.
 *
 * The listener answers every request it is given, unknown paths included, and never throws. Headers already
 * set on the response are kept: the gateway's own win, and `set-cookie` values are added to those there.
 * A caller who goes away aborts the request at once; one who does not read pauses the upstream, and is
 * disconnected after `writeTimeoutMs`.
 *
 * @throws TypeError for an option out of range, or when `gateway` is not a gateway.
 * @example
 * const server = createServer(toNodeHandler(gateway)).listen(8080);
 */
export function toNodeHandler(
  gateway: GatewayHandler,
  options: NodeHandlerOptions = {},
): (request: NodeRequest, response: NodeResponse) => void {
  const serve = createServe(gateway, options);
  const { host } = options;
  // nobody waits for it to end
  const settle = () => undefined;
  if (host === undefined) return (request, response) => serve(request, response, undefined, settle);
  return (request, response) => serve(request, response, withHost(host, request), settle);
}

/**
 * The bridge under the adapters, for writing one for another framework on Node: answers one request.
 *
 * The function it returns never throws, and its promise never rejects; the promise settles when the reply has
 * been handed to Node or the caller is gone.
 *
 * @throws TypeError for an option out of range, or when `gateway` is not a gateway.
 */
export function createNodeBridge(
  gateway: GatewayHandler,
  options: NodeLimits = {},
): (request: NodeRequest, response: NodeResponse, details?: NodeDetails) => Promise<void> {
  const serve = createServe(gateway, options);
  return (request, response, details) => new Promise((settle) => serve(request, response, details, settle));
}

type Settle = (sent?: Promise<void>) => void;

/** Answers a request, and calls `settle` when the reply has been handed to Node or the caller is gone. */
function createServe(
  gateway: GatewayHandler,
  options: NodeLimits,
): (request: NodeRequest, response: NodeResponse, details: NodeDetails | undefined, settle: Settle) => void {
  assertGateway(gateway);
  const limits = toLimits(options);
  const giveUp = ({ exchange, settle }: Serving) => settle(void exchange.outgoing.destroy());
  // by contract neither throws; breaking it must not leave the caller waiting
  const handle = (serving: Serving) => {
    const fail = () => giveUp(serving);
    try {
      gateway.handle(serving.exchange).then((reply) => {
        serving.reply = reply;
        sendSoon(serving);
      }, fail);
    } catch {
      fail();
    }
  };
  const handleSoon = gather(atEndOfTurn, (serving: Serving) => {
    serving.exchange.arrived = true;
    handle(serving);
  });
  const sendSoon = gather(afterPromises, (serving: Serving) => {
    const { exchange, settle } = serving;
    const { reply } = serving;
    try {
      sendNodeReply(exchange, reply as GatewayReply, settle);
    } catch {
      giveUp(serving);
      // its outcome waits for that; what is no reply or has no body cannot be stopped
      Promise.resolve(reply)
        .then((reply) => reply && stopBody(reply.body))
        .catch(() => undefined);
    }
  });
  return (request, response, details, settle) => {
    const exchange = new NodeExchange(request, response, limits, details);
    const serving = new Serving(exchange, settle);
    if (countReaders(exchange.incoming) === 0) handleSoon(serving);
    else {
      // at once: a body with a `readable` listener cannot be held
      exchange.hold();
      handle(serving);
    }
  };
}

/** A request that is being answered. */
class Serving extends Gathered {
  readonly exchange: NodeExchange;
  readonly settle: Settle;
  reply: GatewayReply | undefined = undefined;

  constructor(exchange: NodeExchange, settle: Settle) {
    super();
    this.exchange = exchange;
    this.settle = settle;
  }
}

/**
 * A `node:http` or `node:http2` request as the core takes it, for a host that calls `gateway.handle` itself and
 * writes the reply itself. The response is needed to notice when the caller goes away.
 *
 * @throws TypeError for an option out of range.
 */
export function toGatewayRequest(
  request: NodeRequest,
  response: NodeResponse,
  options: NodeHandlerOptions = {},
): GatewayRequest {
  const details = options.host === undefined ? undefined : withHost(options.host, request);
  const exchange = new NodeExchange(request, response, toLimits(options), details);
  exchange.hold();
  return exchange;
}

/** What `host` returns, or what it throws, which is answered as an internal error. */
export function withHost<Request>(host: (request: Request) => unknown, request: Request): NodeDetails {
  try {
    return { host: host(request) };
  } catch (failure) {
    return { failure };
  }
}
