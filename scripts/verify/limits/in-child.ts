import type { FromChild, ToChild } from './messages.ts';

/** In a child: waits for a message. The child ends with its parent, and leaves signals of the terminal to it. */
export function receive<Type extends ToChild['type']>(type: Type): Promise<Extract<ToChild, { type: Type }>> {
  return new Promise((resolve) => {
    const onMessage = (message: ToChild): void => {
      if (message.type !== type) return;
      process.off('message', onMessage);
      resolve(message as Extract<ToChild, { type: Type }>);
    };
    process.on('message', onMessage);
  });
}

/** In a child: tells the parent. */
export function tell(message: FromChild): void {
  process.send?.(message);
}

process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
