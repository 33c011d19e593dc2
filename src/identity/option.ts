/** Checks the options of one factory, naming it and the option in each TypeError. */
export function createOptionCheck(factory: string) {
  const fail = (option: string, need: string): never => {
    throw new TypeError(`${factory}: "${option}" must be ${need}.`);
  };
  return {
    fail,
    integer(option: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): number {
      if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
      return fail(option, `an integer from ${min} to ${max}`);
    },
    text(option: string, value: unknown, max = 256): string {
      return isName(value, max) ? value : fail(option, `a text of 1 to ${max} printable characters`);
    },
    texts(option: string, value: unknown): readonly string[] {
      if (Array.isArray(value) && value.length > 0 && value.every((item) => isName(item, 256)))
        return [...value];
      return fail(option, 'a list of at least one text, each of 1 to 256 printable characters');
    },
  };
}

/** The checks of one factory. */
export type OptionCheck = ReturnType<typeof createOptionCheck>;

// controls, invisible and direction-changing characters, and halves of characters
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Whether a value can serve as a name in records, ledger keys and logs: 1 to `max` printable characters. */
export function isName(value: unknown, max: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= max && !unprintable.test(value);
}
