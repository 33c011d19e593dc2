// Addresses in the kernel's memory, and its bounds. The kernel's compiler reads this too, so plain numbers only.

/** Four numbers that a scan leaves: start and end of the root object, long strings, 1 when every string was ASCII. */
export const resultsAt = 0;
/** A number that a count leaves: 0 for no cache, 1 for five minutes, 2 for an hour. */
export const cacheWriteAt = 16;
/** A number that `repeats` leaves: where the last event ends that is one. */
export const passedAt = 20;

/** One byte per byte value: 1 if it makes a whole escape after a backslash. */
export const escapesAt = 256;
/** One byte per byte value: its kind of text. */
export const kindsAt = 512;

/** Bytes of a name in the lists below, padded with zeros; and zeros after the last of each list. */
export const nameBytes = 16;
/** The list of `cacheNames` in `tables.ts`. */
export const cacheNamesAt = 768;
/** The list of `textNames`. */
export const textNamesAt = 800;
/** The list of `keyNames`. */
export const keyNamesAt = 944;
/** The list of `mediaNames`. */
export const mediaNamesAt = 1_024;

/** One byte per open container: what it is in. */
export const containersAt = 1_280;
/** Containers that may be open at a time: the kernel takes no deeper documents. */
export const mostDepth = 256;

/** For each member of the root object where its key and its value begin and end: four numbers. */
export const spansAt = 2_048;
/** Members of the root object that there is room for. */
export const mostMembers = 64;
/** Keys of the root object are compared with each other: longer ones would take too long. */
export const mostKeyBytes = 64;

/** For each long string where it begins and ends, and a zero after the last: no body has more of them than fit. */
export const longsAt = 4_096;

/** The fixed parts of a repeated event: their number, two bytes for the length of each, and the parts. */
export const partsAt = 28_672;
/** All of these together. */
export const mostPartsBytes = 4_096;

/** The text that was written last, with zeros after it as after a body. */
export const textAt = 32_768;
/** The kernel takes no longer texts. */
export const mostTextBytes = 131_008;

/** The body that was copied last. */
export const bodyAt = 163_840;
/** The kernel takes no larger bodies: its memory never shrinks. */
export const mostBodyBytes = 4_194_304;
/** Zeros after the body: reads of 64 bytes at a time go beyond it. */
export const paddingBytes = 64;
