/** A copy of plain data that nobody can change, at any depth. */
export function frozenCopy<T>(value: T): T {
  return freezeDeep(structuredClone(value));
}

/** Freezes plain data at every depth and returns it; what is frozen already counts as deeply frozen. */
export function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const part of Object.values(value)) freezeDeep(part);
    Object.freeze(value);
  }
  return value;
}
