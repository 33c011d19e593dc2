import type { GatewayRequest } from '../message.ts';
import type { PrincipalInput } from '../principal.ts';

/**
 * One way to identify callers, besides Headgate's own keys. `resolveKey` asks the identities it is given in order,
 * then the keys.
 */
export interface Identity {
  /** Short name for logs: `okta`, `session`, … */
  readonly name: string;
  /**
   * The facts of a principal when the request carries this kind of credential and it is valid; `undefined` when it
   * carries none of this kind, so that the next way is asked. Synchronous if possible, else a promise.
   *
   * MUST throw (or reject with) a `GatewayError` when the credential is of this kind and not valid: 401 when it is
   * refused, 403 when its holder may not use this gateway, 503 when it cannot be checked now. MUST NOT put any part
   * of the credential into an error. MAY return the same object again while the credential stands for the same facts.
   */
  identify(request: GatewayRequest): PrincipalInput | undefined | Promise<PrincipalInput | undefined>;
  /** Closes what it opened. */
  close?(): void;
}
