import { createFileStores } from '../../src/stores/file/file-stores.ts';
import { sampleVersion } from '../../src/testing/contracts/config-store-samples.ts';
import { sampleRecord } from '../../src/testing/contracts/key-store-samples.ts';
import { sampleSecret } from '../../src/testing/contracts/secret-store-samples.ts';

const [directory = '', work = '', count = '1000000'] = process.argv.slice(2);
const { keys, config, secrets } = createFileStores({ directory });

/** One step of each kind of work; resolves to what is on disk from then on. */
const works: Readonly<Record<string, () => Promise<unknown>>> = {
  async keys() {
    const version = (await keys.findKey('Aa0000000001'))?.version ?? 0;
    // of all sizes, so that half of one would show
    const owner = 'x'.repeat((version * 997) % 20_000);
    const isPut = await keys.putKey(
      { ...sampleRecord('Aa0000000001', { owner }), version: version + 1 },
      version,
    );
    return isPut && version + 1;
  },
  async config() {
    const number = await config.readNumber();
    return (await config.appendVersion(sampleVersion(`v${number + 1}`), number))?.number;
  },
  async secrets() {
    const version = (await secrets.findSecret('openai'))?.version ?? 0;
    return (
      (await secrets.putSecret(sampleSecret('openai', { version: version + 1 }), version)) && version + 1
    );
  },
};

console.log('ready');
let done = 0;
while (done < Number(count)) {
  try {
    const result = await works[work]?.();
    if (!result) continue;
    done++;
    console.log(String(result));
  } catch (error) {
    console.log(`failed ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
    break;
  }
}
