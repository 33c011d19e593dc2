import type { Call, NamedModel } from '../call.ts';
import type { Target } from '../config/snapshot.ts';
import type { Arrival, Identified } from '../context.ts';
import { GatewayError } from '../errors.ts';
import { readMember } from '../json/scan.ts';
import { type JsonEdit, setMember, stripByteOrderMark } from '../json/splice.ts';
import { clampEdits } from '../limits/clamp.ts';
import type { Candidate } from '../routing/plan.ts';
import { toBytes } from './bytes.ts';
import { overrideBody } from './overrides.ts';

/**
 * What changes in a JSON body on its way to a target.
 *
 * @throws GatewayError `unsupported_request` (400) for a model that the body names besides its own and that the target's
 *   provider does not serve, or the caller may not use
 */
export function bodyEdits(arrival: Arrival & Identified, call: Call, target: Target): JsonEdit[] {
  const { members, body } = call;
  if (!members) return [];
  const { provider, model, overrides } = target;
  const edits = [...stripByteOrderMark(members), ...clampEdits(call)];
  if (model !== undefined && model !== call.model && !call.batchModels && members.has('model')) {
    edits.push(setMember(members, 'model', wireName(call, model)));
  }
  if (needsUsage(call, provider.config.streamUsage)) {
    const given = members.has('stream_options') ? readMember(body, members, 'stream_options') : undefined;
    edits.push(
      setMember(members, 'stream_options', { ...(given as object | undefined), include_usage: true }),
    );
  }
  const overridden = overrides?.body ? overrideBody(call, overrides.body) : [];
  edits.push(...overridden);
  if (call.nestedModels?.length) {
    edits.push(...nestedEdits(arrival, call, target, overridden.length > 0 ? overrides?.body : undefined));
  }
  return edits;
}

/**
 * The candidates whose provider can be sent what the body names besides its own model.
 *
 * @throws GatewayError `unsupported_request` (400) when none is left
 */
export function servingNested<Of extends Candidate>(
  candidates: readonly Of[],
  arrival: Arrival & Identified,
  call: Call,
): readonly Of[] {
  if (!call.nestedModels?.length) return candidates;
  let refusal: unknown;
  const serving = candidates.filter(({ target }) => {
    try {
      bodyEdits(arrival, call, target);
      return true;
    } catch (error) {
      refusal ??= error;
      return false;
    }
  });
  if (serving.length === 0 && refusal) throw refusal;
  return serving;
}

/** OpenAI's chat and completion streams report their usage only when asked. */
export function needsUsage(call: Call, allowed: boolean): boolean {
  const { dialect } = call.endpoint;
  return (
    allowed &&
    call.stream &&
    !call.wantsStreamUsage &&
    (dialect === 'openai-chat' || dialect === 'openai-completions')
  );
}

function nestedEdits(
  arrival: Arrival & Identified,
  call: Call,
  { provider, model }: Target,
  overridden: object = {},
): JsonEdit[] {
  const names = new Map<string, string>();
  return (call.nestedModels ?? []).flatMap((found) => {
    const { path } = found;
    if (path === 'model' && !call.batchModels) {
      // Gemini's batches and token counts carry whole requests, each repeating the name
      return model === undefined || model === call.model ? [] : renamed(found, wireName(call, model));
    }
    if (Object.hasOwn(overridden, path.split('.')[0] as string)) return [];
    const name = names.get(found.model) ?? nameAt(provider.id, found, arrival);
    names.set(found.model, name);
    return renamed(found, name);
  });
}

/** The name that a provider has for a model: as the caller gets it, with the versions that its profile pins. */
function nameAt(
  provider: string,
  { model: asked, path }: NamedModel,
  { snapshot, policy, runtime }: Arrival & Identified,
): string {
  const model = snapshot.resolveModel(asked, policy, runtime.now())?.model;
  const name = model?.targets.find((target) => target.provider.id === provider)?.model;
  if (name !== undefined) return name;
  const shown = JSON.stringify(asked.slice(0, 100));
  if (path === 'model') {
    throw new GatewayError(
      'unsupported_request',
      `The model ${shown} is not served by the same provider as the first model of this batch. Send one batch for each provider.`,
      { param: 'requests' },
    );
  }
  const why = model
    ? 'is not served by the provider of this request'
    : 'does not exist or is not in your access profile';
  throw new GatewayError(
    'unsupported_request',
    `\`${path}\`: the model ${shown} ${why}. Name another one, or none.`,
    { param: path },
  );
}

/** In bodies Gemini spells a model as a resource name. */
function wireName(call: Call, model: string): string {
  return call.endpoint.family === 'gemini' && !model.startsWith('tunedModels/') ? `models/${model}` : model;
}

function renamed({ start, end, model }: NamedModel, name: string): JsonEdit[] {
  return name === model ? [] : [{ start, end, bytes: toBytes(JSON.stringify(name)) }];
}
