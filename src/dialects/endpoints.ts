import { GatewayError } from '../errors.ts';
import type { HeaderMap } from '../message.ts';
import type { DialectFamily } from './dialect.ts';
import type { Endpoint } from './endpoint.ts';
import { familyOf } from './family.ts';
import { findPathFault, isPlainPrefix, maxPathLength, quotePath } from './path-syntax.ts';
import {
  findBatchRoute,
  findGeminiRoute,
  findModelsRoute,
  findOwnRoute,
  findResponseRoute,
} from './resource-routes.ts';
import { anthropicRoutes, openAiRoutes, ownSegments, type Route, rootRoutes } from './routes.ts';

/** Why a request is for no endpoint, and whose client gets the refusal. */
export interface EndpointRefusal {
  readonly refused: GatewayError;
  readonly family: DialectFamily;
}

/** What method and path ask for: an endpoint, the health check at the mount root, or nothing that exists. */
export type EndpointMatch = Endpoint | EndpointRefusal | 'health';

interface Found {
  readonly route: Route;
  readonly prefix: string;
}

const versions = new Set(['v1', 'v1beta', 'v1beta1']);

/**
 * Recognises an endpoint by the tail of its path, so that any mount prefix works: `/headgate/…`, what follows the last version
 * segment (`v1`, `v1beta`, `v1beta1`; a doubled `/v1/v1/…` works too), or for OpenAI's endpoints a tail without
 * version. Exactly `/` or an empty path is the health check (GET and HEAD).
 *
 * Never throws. Paths that are not in normal form are refused, never interpreted; see `findPathFault`.
 *
 * @returns the refusal with `malformed_request` (400), `unknown_endpoint` (404) or `method_not_allowed` (405, with
 *   an `allow` header) when there is no such endpoint
 */
export function matchEndpoint(method: string, path: string, headers: HeaderMap): EndpointMatch {
  const route = rootRoutes.get(path);
  if (route !== undefined) return select(route, method, '', path);
  if (path === '' || path === '/') {
    if (method === 'GET' || method === 'HEAD') return 'health';
    return { refused: toMethodError(method, path, 'GET, HEAD'), family: familyOf(headers, path) };
  }
  const fault = findPathFault(path);
  if (fault !== undefined)
    return refuse('malformed_request', `The path ${quotePath(path)} ${fault}.`, path, headers);
  const found = findOwn(path, headers) ?? findVersioned(path, headers) ?? findVersionless(path, headers);
  // nothing is posted to a model: this is a Gemini verb that is not relayed
  const isVerb = path.includes(':') && method === 'POST' && found?.route[0]?.[1].operation === 'get-model';
  if (found && !isVerb && isPlainPrefix(found.prefix)) return select(found.route, method, found.prefix, path);
  const message = `There is no endpoint at ${quotePath(path)}. A base URL ends in "/v1" for OpenAI clients and at the mount point, without "/v1", for Anthropic and Google clients.`;
  return refuse('unknown_endpoint', message, path, headers);
}

function select(route: Route, method: string, prefix: string, path: string): EndpointMatch {
  for (const [name, endpoint] of route) {
    if (name === method) return prefix === '' ? endpoint : { ...endpoint, prefix };
  }
  const allow = route.map(([name]) => name).join(', ');
  return { refused: toMethodError(method, path, allow), family: route[0]![1].family };
}

function toMethodError(method: string, path: string, allow: string): GatewayError {
  const message = `${quotePath(path)} does not answer ${quotePath(method)}; use ${allow}.`;
  return new GatewayError('method_not_allowed', message, { headers: { allow } });
}

function refuse(
  code: 'malformed_request' | 'unknown_endpoint',
  message: string,
  path: string,
  headers: HeaderMap,
): EndpointRefusal {
  return {
    refused: new GatewayError(code, message),
    family: familyOf(headers, path.slice(0, maxPathLength)),
  };
}

/** Looks for the gateway's own endpoints, below any prefix. */
function findOwn(path: string, headers: HeaderMap): Found | undefined {
  for (const tail of ['/headgate/limits', '/headgate/health'] as const) {
    if (!path.endsWith(tail)) continue;
    return { route: findOwnRoute(tail, familyOf(headers, path)), prefix: path.slice(0, -tail.length) };
  }
  return undefined;
}

/** Looks at what follows the last version segment. */
function findVersioned(path: string, headers: HeaderMap): Found | undefined {
  let end = path.length;
  for (let slash = path.lastIndexOf('/'); slash !== -1; slash = path.lastIndexOf('/', slash - 1)) {
    const segment = end - slash > 8 ? '' : path.slice(slash + 1, end);
    if (versions.has(segment)) {
      const route = findBelowVersion(segment, path.slice(end + 1), path, headers);
      return route && { route, prefix: path.slice(0, slash) };
    }
    if (slash === 0) return undefined;
    end = slash;
  }
  return undefined;
}

function findBelowVersion(
  version: string,
  tail: string,
  path: string,
  headers: HeaderMap,
): Route | undefined {
  if (version === 'v1') {
    const route = openAiRoutes.get(tail) ?? anthropicRoutes.get(tail);
    if (route) return route;
    if (tail.startsWith('responses/')) return findResponseRoute(tail);
    if (tail.startsWith('messages/batches/')) return findBatchRoute(tail);
  }
  return (
    findGeminiRoute(tail, version) ?? findModelsRoute(toModelsTail(tail), familyOf(headers, path), version)
  );
}

/** Vertex lists and describes models below their publisher. */
function toModelsTail(tail: string): string {
  const publisher = 'publishers/google/';
  return tail.startsWith(publisher) ? tail.slice(publisher.length) : tail;
}

/** Looks for an OpenAI tail at the end of a path, for base URLs without a version. */
function findVersionless(path: string, headers: HeaderMap): Found | undefined {
  const last = path.lastIndexOf('/');
  const beforeLast = last > 0 ? path.lastIndexOf('/', last - 1) : last;
  for (const slash of beforeLast === last ? [last] : [beforeLast, last]) {
    const tail = path.slice(slash + 1);
    const prefix = path.slice(0, slash);
    const route =
      openAiRoutes.get(tail) ??
      (tail === 'models' ? findModelsRoute(tail, familyOf(headers, tail), 'v1') : undefined);
    if (route && isForeign(prefix)) return { route, prefix };
  }
  return (
    findBelow(path, '/models/', (tail) => findModelsRoute(tail, familyOf(headers, ''), 'v1')) ??
    findBelow(path, '/responses/', findResponseRoute)
  );
}

function findBelow(
  path: string,
  anchor: string,
  find: (tail: string) => Route | undefined,
): Found | undefined {
  const slash = path.indexOf(anchor);
  if (slash === -1 || !isForeign(path.slice(0, slash))) return undefined;
  const route = find(path.slice(slash + 1));
  return route && { route, prefix: path.slice(0, slash) };
}

/** Whether a prefix has only the host's own words: with one of ours in it, the path means something else. */
function isForeign(prefix: string): boolean {
  for (const segment of prefix.split('/')) {
    const lower = segment.toLowerCase();
    if (ownSegments.has(lower) || (segment !== lower && versions.has(lower))) return false;
  }
  return true;
}
