import { type GatewayError, isGatewayError } from '../src/errors.ts';

/** The refusal that an attempt ends with. */
export async function refusalOf(attempt: () => unknown): Promise<GatewayError> {
  try {
    await attempt();
  } catch (error) {
    if (isGatewayError(error)) return error;
    throw error;
  }
  throw new Error('It was accepted.');
}
