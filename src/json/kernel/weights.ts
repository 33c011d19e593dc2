// What tokens are estimated by, for the kernel and for `src/limits`, which says why. Read by the kernel's own compiler too, so:
// plain numbers only.

/** A name with its colon, and a bracket with its partner. */
export const perName = 1.5;
export const perContainer = 1;

/** Kinds of bytes in texts. */
export const lower = 1;
export const upper = 2;
export const digit = 3;
export const space = 4;
export const sign = 5;
export const backslash = 6;
export const continuation = 7;
/** First bytes of characters that have two, three and four in UTF-8. */
export const ofTwo = 8;
export const ofThree = 9;
export const ofFour = 10;

/** Words: one up to so many bytes, and one more for each part of the rest. */
export const wordBytes = 7;
export const partBytes = 4.5;
/** Words that begin with several capitals: bytes of capitals, and of what follows, for each. */
export const capitalBytes = 2.5;
export const behindCapitalsBytes = 5;
/** Digits for each, and bytes of numbers, `true`, `false` and `null` that stand by themselves. */
export const digitBytes = 3;
/** A sign, and each time that it comes again. */
export const perSign = 0.85;
export const perRepeat = 0.1;
/** Escapes: line breaks and tabs, `\uXXXX`, all others. */
export const perBreak = 0.8;
export const perUnicode = 1.2;
export const perEscape = 0.85;
export const perTwo = 0.5;
export const perThree = 1.05;
export const perFour = 2.5;

/** Bytes of text that count a token at the least. */
export const leastBytes = 8;

/** Of a string of so many bytes and more a window is looked at for each stride. */
export const longStringBytes = 2_048;
export const windowBytes = 160;
export const strideBytes = 2_048;
