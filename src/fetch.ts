import type { GatewayReply, GatewayRequest } from './message.ts';
export async function handleFetch(
  _handle: (request: GatewayRequest) => Promise<GatewayReply>,
  _request: Request,
  _host: unknown,
): Promise<Response> {
  throw new Error('pending');
}
