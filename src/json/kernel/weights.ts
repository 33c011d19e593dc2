// Weights for estimating tokens, for the kernel and for `src/limits`, which says why. The kernel's compiler reads this
// too, so plain numbers only.

/** A name with its colon. */
export const perName = 1.5;
/** A bracket with its partner. */
export const perContainer = 1;

// Kinds of bytes in texts.
/** A small letter. */
export const lower = 1;
/** A capital. */
export const upper = 2;
/** 0 to 9. */
export const digit = 3;
/** A space; strings hold no other white space unescaped. */
export const space = 4;
/** All other ASCII. */
export const sign = 5;
/** The start of an escape. */
export const backslash = 6;
/** A byte of a UTF-8 character that is not its first. */
export const continuation = 7;
/** First byte of a character of two bytes in UTF-8. */
export const ofTwo = 8;
/** The same for three. */
export const ofThree = 9;
/** The same for four. */
export const ofFour = 10;

/** A word of up to so many bytes is one. */
export const wordBytes = 7;
/** So many bytes of the rest of a longer one are one more. */
export const partBytes = 4.5;
/** Words that begin with several capitals: capitals per token. */
export const capitalBytes = 2.5;
/** The same for what follows the capitals. */
export const behindCapitalsBytes = 5;
/** Digits per token, and bytes per token of numbers, `true`, `false` and `null` by themselves. */
export const digitBytes = 3;
/** A sign. */
export const perSign = 0.85;
/** Each repetition of the same sign. */
export const perRepeat = 0.1;
/** Escaped line breaks and tabs. */
export const perBreak = 0.8;
/** `\uXXXX`. */
export const perUnicode = 1.2;
/** All other escapes. */
export const perEscape = 0.85;
/** A character of two bytes in UTF-8. */
export const perTwo = 0.5;
/** The same for three. */
export const perThree = 1.05;
/** The same for four. */
export const perFour = 2.5;

/** So many bytes of text count at least one token. */
export const leastBytes = 8;

/** Strings of so many bytes and more are sampled. */
export const longStringBytes = 2_048;
/** Bytes looked at in each stride. */
export const windowBytes = 160;
/** See `windowBytes`. */
export const strideBytes = 2_048;
