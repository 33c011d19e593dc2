import { withDeadline } from '../deadline.ts';
import type { Runtime } from '../runtime.ts';
import { isSecretError, SecretError } from './secret-error.ts';

/**
 * A key that a key service (KMS, HSM) holds. Both functions may be asynchronous and may be called concurrently.
 * `context` is a text of 43 characters that names the record; pass it on as the service's encryption context or
 * additional data, so that the service refuses a wrapped key in any other record.
 */
export interface KeyEncryptionService {
  /** Wraps 32 bytes; the result has 1 to 4,096. */
  wrap(dataKey: Uint8Array, context: string): Uint8Array | Promise<Uint8Array>;
  /** Returns the 32 bytes. */
  unwrap(wrapped: Uint8Array, context: string): Uint8Array | Promise<Uint8Array>;
}

/** One key of the ring, whatever holds it. */
export interface RingKey {
  wrap(dataKey: Uint8Array, context: string): Uint8Array | Promise<Uint8Array>;
  unwrap(wrapped: Uint8Array, context: string, secret: string): Uint8Array | Promise<Uint8Array>;
}

const maxWrappedBytes = 4_096;

/** A key of the ring that a service holds: each call has a deadline, and every failure is the same error. */
export function toServiceKey(
  id: string,
  service: KeyEncryptionService,
  runtime: Runtime,
  timeoutMs: number,
): RingKey {
  const call = async (work: () => Uint8Array | Promise<Uint8Array>, secret?: string): Promise<Uint8Array> => {
    try {
      const bytes = await withDeadline(runtime, timeoutMs, 'The key service', invoke(work));
      if (bytes instanceof Uint8Array && bytes.length > 0 && bytes.length <= maxWrappedBytes) return bytes;
      throw new TypeError('The key service must give 1 to 4,096 bytes.');
    } catch (cause) {
      if (isSecretError(cause)) throw cause;
      throw new SecretError(
        'key_encryption_key_unavailable',
        `The service that holds the key "${id}" failed or did not answer.`,
        { cause, ...(secret !== undefined && { secret }) },
      );
    }
  };
  return {
    // copies: what the service later does to its bytes must not reach the ones in use, nor vice versa
    wrap: (dataKey, context) => call(() => service.wrap(Uint8Array.from(dataKey), context)),
    unwrap: async (wrapped, context, secret) =>
      Uint8Array.from(await call(() => service.unwrap(Uint8Array.from(wrapped), context), secret)),
  };
}

/** So that a synchronous throw counts as a rejection. */
async function invoke(work: () => Uint8Array | Promise<Uint8Array>): Promise<Uint8Array> {
  return work();
}
