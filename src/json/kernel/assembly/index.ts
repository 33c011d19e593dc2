// Two passes over a JSON body, 16 bytes or more at a time. AssemblyScript: `npm run build:kernel` makes `../bytes.ts`.
//
// The kernel decides about ordinary documents, and answers "not mine" for all others: `../../scan.ts` then begins
// again, and says what is wrong and where. So only a yes has to be exact here.
//
// The body is at `bodyAt`, with `paddingBytes` zeros after it. A NUL byte is allowed nowhere, so every loop over a
// document ends there at the latest and none checks where the body ends. Reads of several bytes at once begin within
// the body, or at the first zero, and so never see what a longer body left.
//
// `repeats` is not a pass over a body, but looks at the text of a stream in the same way: it reads strings as they do.

export { count } from './count';
export { repeats } from './repeats';
export { scan } from './scan';
