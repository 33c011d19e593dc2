import { createFakeUpstream } from '../../../src/testing/fake-upstream/index.ts';
import { receiveStart, sayReady } from './child-process.ts';

await receiveStart();
const upstream = await createFakeUpstream({
  // the answer is the credential that came, so that whoever asks sees which one is in use
  reply: ({ headers }) => ({ text: (headers.authorization ?? '').replace(/^Bearer /, '') }),
  maxRecordedRequests: 100,
});
sayReady(upstream.url);
