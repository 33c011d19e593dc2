/**
 * Told of a change. `id` names what changed; `undefined` means that anything may have: the watch has just begun to
 * listen, or had lost its connection and has it again.
 */
export type ChangeListener = (id: string | undefined) => void;

/** Ends a watch; no listener is called after it was called. Resolves when its connection is closed. Never rejects. */
export type Unwatch = () => Promise<void>;
