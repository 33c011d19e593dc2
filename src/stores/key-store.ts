/** A key as a store holds it. The secret itself is never stored, only its HMAC. */
export interface KeyRecord {
  /** Public id, the `<kid>` in `hg_<env>_<kid>_<secret><crc>`. */
  readonly kid: string;
  /** HMAC-SHA-256 of the secret part under the pepper `pepperId`, 32 bytes as lower-case hex. */
  readonly secretHash: string;
  readonly pepperId: string;
  readonly team: string;
  readonly project?: string;
  readonly owner?: string;
  /** The agent or application the key was made for. */
  readonly application?: string;
  /** Environment named in the key (`live`, `test`, …). */
  readonly environment: string;
  /** Narrows the profile; patterns as in a profile. Never widens it. */
  readonly models?: readonly string[];
  /** Milliseconds since the epoch; the key is refused from this instant on. */
  readonly expiresAtMs?: number;
  readonly revokedAtMs?: number;
  readonly createdAtMs: number;
  /** Last four characters of the secret, to recognise a key in a list. */
  readonly last4: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Where keys live. The smallest thing that a backend must do: everything above it (hashing, constant-time
 * comparison, caching, expiry) is written once in `resolveKey`.
 */
export interface KeyStore {
  /**
   * Finds a key by its public id.
   *
   * MUST return `null` when no such key exists, and MUST throw when the store cannot tell: the gateway answers 401
   * to the first and 503 to the second, and never confuses them. Revoked and expired keys are returned as they are.
   * MUST be safe to call concurrently, and a returned record MUST NOT change afterwards.
   */
  findKey(kid: string): Promise<KeyRecord | null>;
}
