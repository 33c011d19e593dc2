/**
 * Short messages between the nodes of an installation. Nothing is kept: who does not listen at the moment, or whose
 * connection is lost, never hears of them, and nothing may depend on it.
 */
export interface Hints {
  /** Tells everybody who listens, this node included. Never throws, and nobody waits for it. @param text up to 7,000 bytes */
  publish(text: string): void;
  /** Listens until the function that it returns is called. The listener must not throw. */
  listen(listener: (text: string) => void): () => Promise<void>;
}
