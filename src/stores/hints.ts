/**
 * Short messages between the nodes of an installation. Nothing is kept: a node that is not listening, or has lost its
 * connection, never gets them; nothing may depend on them.
 */
export interface Hints {
  /**
   * Sends to everybody who listens, this node included. Never throws, and nobody waits for it.
   * @param text up to 7,000 bytes
   */
  publish(text: string): void;
  /** Listens until the returned function is called. The listener must not throw. */
  listen(listener: (text: string) => void): () => Promise<void>;
}
