// What tokens are estimated by, for the kernel and for `src/limits`, which says why. Read by the kernel's own compiler too, so:
// plain numbers only.

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
/** A space; no other white space stands in a string unescaped. */
export const space = 4;
/** All other ASCII. */
export const sign = 5;
/** What an escape begins with. */
export const backslash = 6;
/** A byte of a character of UTF-8 that is not its first. */
export const continuation = 7;
/** First byte of a character that has two in UTF-8. */
export const ofTwo = 8;
/** The same of three. */
export const ofThree = 9;
/** The same of four. */
export const ofFour = 10;

/** A word of so many bytes is one. */
export const wordBytes = 7;
/** Each part of the rest of a longer one is one more. */
export const partBytes = 4.5;
/** Words that begin with several capitals: bytes of these for each. */
export const capitalBytes = 2.5;
/** The same of what follows the capitals. */
export const behindCapitalsBytes = 5;
/** Digits for each, and bytes of numbers, `true`, `false` and `null` that stand by themselves. */
export const digitBytes = 3;
/** A sign. */
export const perSign = 0.85;
/** Each time that the same sign comes again. */
export const perRepeat = 0.1;
/** Escaped line breaks and tabs. */
export const perBreak = 0.8;
/** `\uXXXX`. */
export const perUnicode = 1.2;
/** All other escapes. */
export const perEscape = 0.85;
/** A character of two bytes in UTF-8. */
export const perTwo = 0.5;
/** The same of three. */
export const perThree = 1.05;
/** The same of four. */
export const perFour = 2.5;

/** Bytes of text that count a token at the least. */
export const leastBytes = 8;

/** Strings of so many bytes and more are looked at in part. */
export const longStringBytes = 2_048;
/** What is looked at of each stride. */
export const windowBytes = 160;
/** See `windowBytes`. */
export const strideBytes = 2_048;
