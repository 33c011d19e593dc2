import { toListed } from '../config/resolve-model.ts';
import type { Arrival, Identified, Received } from '../context.ts';
import { renderModel, renderModelsList } from '../dialects/models-list.ts';
import type { GatewayReply } from '../message.ts';
import { nothing, type Stage } from '../pipeline.ts';
import { toReply } from '../reply.ts';
import { permittedModel } from './authorize-model.ts';

/**
 * Answers `GET /v1/models` and `GET /v1/models/{id}` itself, in the caller's shape, with what the key may use and nothing
 * else. Aliases, families and pinned names are listed under their own name with the facts of the model that they stand
 * for; `GET /v1/models/{id}` for one of them gives that model under its public name, and so shows its version.
 */
export function listModels(): Stage<Arrival & Identified & Received, object> {
  return {
    name: 'listModels',
    run({ endpoint, request, snapshot, policy, runtime, id }, next) {
      const { family, operation } = endpoint;
      if (operation === 'list-models') {
        const models = snapshot.listModels(policy, runtime.now());
        return jsonReply(renderModelsList(family, models, request.query), family, id);
      }
      if (operation === 'get-model') {
        const nowMs = runtime.now();
        const { model } = permittedModel(endpoint.model ?? '', snapshot, policy, nowMs);
        return jsonReply(renderModel(family, toListed(model.name, model, nowMs)), family, id);
      }
      return next(nothing);
    },
  };
}

function jsonReply(body: string, family: string, id: string): Promise<GatewayReply> {
  const idHeader = family === 'anthropic' ? { 'request-id': id } : {};
  return Promise.resolve(
    toReply(200, { 'content-type': 'application/json', 'x-request-id': id, ...idHeader }, body),
  );
}
