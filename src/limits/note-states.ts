import type { RecordDraft } from '../telemetry/record.ts';
import type { Applied, LimitScope } from './apply.ts';
import type { ScopeState } from './ledger.ts';
import type { Limit } from './limit.ts';
import type { Thresholds } from './limit-event.ts';

/** Records the limits that were exceeded but let the request pass. */
export function noteExceeded(
  record: RecordDraft,
  limits: readonly Limit[],
  states: readonly ScopeState[],
): void {
  for (let index = 0; index < limits.length; index++) {
    const { mode, label } = limits[index] as Limit;
    if (mode === 'block') continue;
    const { used, held, amount } = states[index] as ScopeState;
    if (used + held <= amount) continue;
    if (mode === 'warn') record.warnings = [...(record.warnings ?? []), label];
    else record.shadowDenied = [...(record.shadowDenied ?? []), label];
  }
}

/** Passes what a ledger has found to the thresholds. */
export function showThresholds(
  thresholds: Thresholds,
  { limits, scopes }: Applied,
  states: readonly ScopeState[],
): void {
  for (let index = 0; index < limits.length; index++) {
    const limit = limits[index] as Limit;
    if (limit.thresholds.length === 0) continue;
    const { span } = scopes[index] as LimitScope;
    thresholds.see(limit, states[index] as ScopeState, span.bucket, limit.window.resetsAtMs(span));
  }
}
