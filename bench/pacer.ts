import { toEvent, toStreamEnd } from './payloads.ts';

interface PacedStream {
  send(event: string): void;
  end(): void;
}

const slotMs = 20;

/**
 * Sends every stream that joins a delta at once and another every `paceMs`, from one timer for all: one per stream
 * would make the mock the slow part at 9,000 of them. Each delta carries the time it was sent, in
 * microseconds of the system's monotonic clock, which the load generator on the same machine shares.
 */
export function createPacer(paceMs: number) {
  const slots: Set<PacedStream>[] = Array.from(
    { length: Math.max(1, Math.round(paceMs / slotMs)) },
    () => new Set(),
  );
  let turn = 0;
  let finishingLeft = 0;

  const sendDelta = (stream: PacedStream) =>
    stream.send(
      toEvent({
        choices: [{ index: 0, delta: { content: ' word' }, finish_reason: null }],
        sent: Number(process.hrtime.bigint() / 1000n),
      }),
    );

  let dueMs = performance.now();
  setInterval(() => {
    // catches up when the timer was late, so that the pace holds on a loaded machine
    while (performance.now() >= dueMs) {
      dueMs += slotMs;
      const slot = slots[turn] as Set<PacedStream>;
      turn = (turn + 1) % slots.length;
      const finishing = finishingLeft > 0;
      if (finishing) finishingLeft--;
      for (const stream of slot) {
        sendDelta(stream);
        if (!finishing) continue;
        for (const event of toStreamEnd()) stream.send(event);
        stream.end();
        slot.delete(stream);
      }
    }
  }, slotMs);

  return {
    join(stream: PacedStream): () => void {
      // the slot that has just had its turn: its next one is a whole pace away
      const slot = slots[(turn + slots.length - 1) % slots.length] as Set<PacedStream>;
      slot.add(stream);
      sendDelta(stream);
      return () => void slot.delete(stream);
    },
    /** Lets every stream end at its next turn. */
    finish(): void {
      finishingLeft = slots.length;
    },
  };
}
