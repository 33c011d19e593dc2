import type { ListedModel } from '../config/snapshot.ts';
import type { Arrival, Identified, Received } from '../context.ts';
import { renderModel, renderModelsList } from '../dialects/models-list.ts';
import type { GatewayReply } from '../message.ts';
import { nothing, type Stage } from '../pipeline.ts';
import { toReply } from '../reply.ts';
import { mayUse, permittedModel } from './authorize-model.ts';

/** Answers `GET /v1/models` and `GET /v1/models/{id}` itself, in the caller's shape, with what the key may use and nothing else. */
export function listModels(): Stage<Arrival & Identified & Received, object> {
  return {
    name: 'listModels',
    run({ endpoint, request, snapshot, policy, principal, id }, next) {
      if (endpoint.operation === 'list-models') {
        const models = snapshot.listedModels.filter((model) => mayUse(model.id, policy, principal));
        return jsonReply(renderModelsList(endpoint.family, models, request.query), endpoint.family, id);
      }
      if (endpoint.operation === 'get-model') {
        const model = permittedModel(endpoint.model ?? '', snapshot, policy, principal);
        const listed: ListedModel = snapshot.listedModels.find((entry) => entry.id === model.name) ?? {
          id: model.name,
        };
        return jsonReply(renderModel(endpoint.family, listed), endpoint.family, id);
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
