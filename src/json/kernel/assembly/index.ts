// Two passes over a JSON body, sixteen bytes at a time and more. This is AssemblyScript: `npm run build:kernel` makes `../bytes.ts` of it.
//
// The kernel answers for ordinary documents, and "not mine" for all others: what is wrong with a document and where is for
// `../../scan.ts` to say, which begins again. So nothing has to be exact here but a yes.
//
// The body lies at `bodyAt` with `paddingBytes` zeros behind it. A NUL byte is nowhere allowed, so every loop over a document
// ends there at the latest and none asks where the body ends. What reads several bytes at once begins within the body, or
// at the first zero, and so never sees what a longer body left.
//
// `repeats` is no pass over a body, but looks at the text of a stream in the same way: it reads strings as they do.

export { count } from './count';
export { repeats } from './repeats';
export { scan } from './scan';
