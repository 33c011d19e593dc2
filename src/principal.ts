/** Who a request is attributed to. Only `resolveKey` (or a stage in its place) makes one; there is no anonymous one. */
export interface Principal {
  /** Public id of the key. */
  readonly key: string;
  readonly team: string;
  readonly project: string | undefined;
  /** The user that owns the key. */
  readonly user: string | undefined;
  readonly application: string | undefined;
  readonly environment: string;
  /** Models the key is narrowed to, as patterns; undefined when it is not. */
  readonly models: readonly string[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
}
