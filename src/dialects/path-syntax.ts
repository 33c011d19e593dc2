/** The longest path that is looked at, in characters. */
export const maxPathLength = 4_096;

/**
 * What is wrong with the syntax of a path, in words for the caller; undefined when it is in normal form. Whatever
 * another server might read differently (empty and dot segments, also encoded, backslashes, parameters, controls)
 * is refused rather than interpreted. One pass, linear time.
 */
export function findPathFault(path: string): string | undefined {
  if (path.length > maxPathLength) return `is longer than ${maxPathLength} characters`;
  if (path.charCodeAt(0) !== 47) return 'does not start with a slash';
  let segmentStart = 1;
  let isOnlyDots = true;
  for (let at = 1; at <= path.length; at++) {
    const code = at === path.length ? 47 : path.charCodeAt(at);
    if (code === 47) {
      if (at === segmentStart) return at === path.length ? 'ends in a slash' : 'has an empty segment';
      if (isOnlyDots) return 'has a dot segment';
      if (path.charCodeAt(at - 1) === 46) return 'has a segment that ends in a dot';
      segmentStart = at + 1;
      isOnlyDots = true;
    } else if (code <= 32 || code >= 127 || isReserved(code)) {
      return 'has a character that must not stand there';
    } else if (code === 37) {
      const decoded = Number(`0x${path.slice(at + 1, at + 3)}`);
      if (!(decoded > 31 && decoded !== 127 && path.length > at + 2))
        return 'has a percent escape that is not allowed';
      if (decoded !== 46) isOnlyDots = false;
      at += 2;
    } else if (code !== 46) {
      isOnlyDots = false;
    }
  }
  return undefined;
}

/** `"`, `#`, `;`, `<`, `>`, `?`, `\`, `^`, backtick, `{`, `|` and `}`: unsafe in a path, or read as its end by some. */
function isReserved(code: number): boolean {
  switch (code) {
    case 34:
    case 35:
    case 59:
    case 60:
    case 62:
    case 63:
    case 92:
    case 94:
    case 96:
    case 123:
    case 124:
    case 125:
      return true;
    default:
      return false;
  }
}

// controls, format characters (bidi among them), lone surrogates and unassigned code points; every kind of space
const unfit = /[\p{C}\p{Z}\\%?#;]/u;

/**
 * A model id from the path, percent-decoded once; it may hold slashes. Undefined when it is empty or ill-encoded,
 * has empty segments or some that end in a dot, invisible characters, or what is still an escape or delimiter in a URL.
 */
export function decodeModelId(raw: string): string | undefined {
  let id = raw;
  if (raw.includes('%')) {
    try {
      id = decodeURIComponent(raw);
    } catch {
      return undefined;
    }
  }
  if (unfit.test(id)) return undefined;
  for (const segment of id.split('/')) if (segment === '' || segment.endsWith('.')) return undefined;
  return id;
}

/** Whether a mount prefix is plain: only unreserved characters and `@ : + = ,`, so nothing in it is encoded. */
export function isPlainPrefix(prefix: string): boolean {
  return /^[A-Za-z0-9/._~@:+=,-]*$/.test(prefix);
}

/** Whether this is an id as the providers give them to responses and batches. */
export function isResourceId(id: string): boolean {
  return id.length <= 256 && /^[A-Za-z0-9_-]+$/.test(id);
}

/** A path as it may be shown in a message: at most 100 characters, printable ASCII, quoted. */
export function quotePath(path: string): string {
  const shown = path.length > 100 ? `${path.slice(0, 97)}...` : path;
  const toEscape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `"${shown.replace(/[^ !#-[\]-~]/g, toEscape)}"`;
}
