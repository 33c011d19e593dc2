import type { ReadyMessage, StartMessage } from './messages.ts';

/** In a child: waits for what to start with. The child ends with its parent, and leaves signals of the terminal to it. */
export function receiveStart<Start extends StartMessage>(): Promise<Start> {
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit(0));
  if (!process.connected) process.exit(0);
  return new Promise((resolve) => process.once('message', (message) => resolve(message as Start)));
}

/** In a child: says that it works. */
export function sayReady(url: string): void {
  const message: ReadyMessage = { type: 'ready', url };
  process.send?.(message);
}
