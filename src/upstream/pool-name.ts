import type { Credential } from '../config/snapshot.ts';
import type { Secret } from '../secrets/secret.ts';

const names = new WeakMap<Secret, Map<string, string>>();

/** Pool name for the connections of a credential with this secret. Reveals nothing of the secret. */
export function poolNameOf({ id }: Credential, secret: Secret): string {
  let known = names.get(secret);
  if (!known) {
    known = new Map();
    names.set(secret, known);
  }
  let name = known.get(id);
  if (name === undefined) {
    name = `${id}@${secret.fingerprint}`;
    known.set(id, name);
  }
  return name;
}

/** The pool names of all credentials that are usable now. */
export function poolNamesOf(credentials: Iterable<Credential>): Set<string> {
  const inUse = new Set<string>();
  for (const credential of credentials) {
    try {
      inUse.add(poolNameOf(credential, credential.source.current()));
    } catch {
      // no secret, so no connections
    }
  }
  return inUse;
}
