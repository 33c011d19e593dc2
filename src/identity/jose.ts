/** The library that verifies tokens; optional, so loaded with the first token. */
export type Jose = typeof import('jose');

/** @throws Error saying what to install */
export async function loadJose(): Promise<Jose> {
  try {
    return await import('jose');
  } catch (cause) {
    throw new Error('Tokens are verified by the library "jose", which is not there: npm install jose', {
      cause,
    });
  }
}
