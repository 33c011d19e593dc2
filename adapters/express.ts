import {
  type GatewayHandler,
  type NodeHandlerOptions,
  type NodeRequest,
  type NodeResponse,
  toNodeHandler,
} from 'headgate/node';

/**
 * Makes a handler for Express 5 (and 4, Connect, Polka: anything that takes `(request, response)`). Mount it with
 * `app.use`, with or without a prefix; it answers everything below, unknown paths included.
 *
 * Best mounted before `express.json()`: the bytes then go upstream as they came. After it, the body is taken
 * from `request.rawBody` if the host keeps it, else serialised again from `request.body`, which keeps its
 * meaning but neither its bytes nor repeated keys nor numbers that JavaScript cannot hold.
 *
 * @throws TypeError for an option out of range, or when `gateway` is not a gateway.
 * @example
 * app.use('/llm', toExpressHandler(gateway, { host: (request) => request.user }));
 */
export function toExpressHandler<Request extends NodeRequest = NodeRequest>(
  gateway: GatewayHandler,
  options: NodeHandlerOptions<Request> = {},
): (request: Request, response: NodeResponse) => void {
  return toNodeHandler(gateway, options as NodeHandlerOptions);
}
