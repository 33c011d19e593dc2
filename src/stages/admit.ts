import type { Admission } from '../admission/admission.ts';
import { priorityOf } from '../admission/priority.ts';
import type { Arrival, Identified } from '../context.ts';
import type { GatewayReply } from '../message.ts';
import { whenEnded } from '../outcome.ts';
import { nothing, type Stage } from '../pipeline.ts';
import { whenGone } from '../when-gone.ts';

/**
 * Admits a request before its body is read: at once while there is room, after others if there is none, not at all
 * when the process is overloaded. Requests that are `batch`, by policy or their own word, wait behind all others and
 * are refused first; see `priorityOf`.
 *
 * @throws GatewayError `overloaded` (503) with `retry-after`; `caller_gone` if the caller left while waiting
 */
export function admit({ admission }: { readonly admission: Admission }): Stage<Arrival & Identified, object> {
  const leave = () => admission.leave();
  const leaveLater = (reply: GatewayReply | undefined) => (reply ? whenEnded(reply.outcome, leave) : leave());
  return {
    name: 'admit',
    run(context, next) {
      const { request, snapshot } = context;
      const waiting = admission.enter(priorityOf(context), snapshot.config.admission, (listener) =>
        whenGone(request, listener),
      );
      const go = () => {
        const reply = next(nothing);
        void reply.then(leaveLater, leave);
        return reply;
      };
      return waiting ? waiting.then(go) : go();
    },
  };
}
