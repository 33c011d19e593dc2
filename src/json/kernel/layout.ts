// Where things lie in the kernel's memory, and its bounds. Read by the kernel's own compiler too, so: plain numbers only.

/** Four numbers that a scan leaves: start and end of the root object, long strings, 1 when every string was ASCII. */
export const resultsAt = 0;
/** A number that a count leaves: 0 for no cache, 1 for five minutes, 2 for an hour. */
export const cacheWriteAt = 16;
/** A number that `repeats` leaves: where the last event ends that is one. */
export const passedAt = 20;

/** A byte for each byte: 1 where it makes a whole escape after a backslash. */
export const escapesAt = 256;
/** A byte for each byte: what kind of text it is. */
export const kindsAt = 512;

/** Bytes of a name in the lists below, zeros behind it; and zeros behind the last of each list. */
export const nameBytes = 16;
/** The list of `cacheNames` in `tables.ts`. */
export const cacheNamesAt = 768;
/** The list of `textNames`. */
export const textNamesAt = 800;
/** The list of `keyNames`. */
export const keyNamesAt = 944;
/** The list of `mediaNames`. */
export const mediaNamesAt = 1_024;

/** A byte for each open container: what it stands in. */
export const containersAt = 1_280;
/** Containers that may be open at a time: deeper documents are not the kernel's. */
export const mostDepth = 256;

/** For each member of the root object where its key and its value begin and end: four numbers. */
export const spansAt = 2_048;
/** Members of the root object that there is room for. */
export const mostMembers = 64;
/** Keys of the root object are compared with each other: longer ones would take too long. */
export const mostKeyBytes = 64;

/** For each long string where it begins and ends, and a zero behind the last: no body has more of them than fit. */
export const longsAt = 4_096;

/** What stays of an event that is repeated: how many parts, two bytes for the length of each, and the parts. */
export const partsAt = 28_672;
/** All of these together. */
export const mostPartsBytes = 4_096;

/** The text that was written last, with zeros behind it as behind a body. */
export const textAt = 32_768;
/** Longer texts are not the kernel's. */
export const mostTextBytes = 131_008;

/** The body that was copied last. */
export const bodyAt = 163_840;
/** Larger bodies are not the kernel's, whose memory never shrinks. */
export const mostBodyBytes = 4_194_304;
/** Zeros behind the body: what is read 64 bytes at a time is read beyond it. */
export const paddingBytes = 64;
