/**
 * Called on a change. `id` names what changed; `undefined` means that anything may have: the watch has just begun to
 * listen, or has its lost connection back.
 */
export type ChangeListener = (id: string | undefined) => void;

/** Ends a watch; its listener is not called afterwards. Resolves when its connection is closed. Never rejects. */
export type Unwatch = () => Promise<void>;
