import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { SecretInfo } from '../../secrets/vault-admin.ts';
import { createVaultAdmin } from '../../secrets/vault-admin.ts';
import type { Stores } from '../../stores/stores.ts';
import { authorOf, authorOption } from '../author.ts';
import {
  type Command,
  CommandError,
  type OptionValues,
  optionalText,
  requiredArgument,
  UsageError,
} from '../command.ts';
import type { Io } from '../io.ts';
import { requireKeyEncryptionRing } from '../key-encryption.ts';
import { requiredStoreUrl, storeOption, withStores } from '../open-stores.ts';

/** Stores a provider's credential. */
export const providersSetSecret: Command = {
  name: 'providers set-secret',
  summary: "store a provider's credential, sealed",
  details: [
    'Reads the credential from standard input, or from --file; never from the command line, which others can see. It is',
    'sealed under HEADGATE_KEK (32 bytes, base64; its id is HEADGATE_KEK_ID, default k1), which the gateway needs too, and',
    'it cannot be read back. It replaces an existing credential; gateways use it at their next attempt.',
    '',
    'The configuration names it as { "store": "<id>" }. With --project or --user it is their own (BYOK), and their requests',
    'use it without being named.',
    '',
    '  headgate providers set-secret openai < openai.key',
  ].join('\n'),
  argument: { name: 'provider', help: 'the provider entry that it is for' },
  options: {
    ...storeOption,
    id: { type: 'string', value: 'id', help: 'its id in the store (default: the name of the provider)' },
    file: { type: 'string', value: 'file', help: 'read it from this file' },
    project: { type: 'string', value: 'project', help: 'it is this project’s own' },
    user: { type: 'string', value: 'user', help: 'it is this user’s own' },
    label: { type: 'string', value: 'text', help: 'a display name' },
    ...authorOption,
  },
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const provider = requiredArgument(values, 'provider');
    const belongs = toOwner(values);
    const id = optionalText(values, 'id') ?? toId(provider, belongs);
    const label = optionalText(values, 'label');
    const ring = requireKeyEncryptionRing(io.environment);
    const text = await readSecret(values, io);
    const put = async (stores: Stores): Promise<SecretInfo> => {
      await warnOfProvider(stores, provider, io);
      const secret = { id, provider, ...belongs, text, author: authorOf(values, io) };
      return await createVaultAdmin({ store: stores.secrets, ring }).put({
        ...secret,
        ...(label !== undefined && { label }),
      });
    };
    const info = await withStores(url, io, put, { makes: true });
    if (values.json === true) {
      io.stdout.write(`${JSON.stringify({ secret: info })}\n`);
    } else {
      const done = info.version === 1 ? 'stored' : 'replaced';
      const use =
        info.scope === 'gateway' ? `; the configuration names it as {"store":${JSON.stringify(id)}}` : '';
      io.stdout.write(`${done} ${id} for ${provider}, sealed under ${info.keyId}${use}\n`);
    }
    return 0;
  },
};

type Owner = { readonly scope: 'gateway' } | { readonly scope: 'project' | 'user'; readonly subject: string };

function toOwner(values: OptionValues): Owner {
  const project = optionalText(values, 'project');
  const user = optionalText(values, 'user');
  if (project !== undefined && user !== undefined)
    throw new UsageError('Give --project or --user, not both.');
  if (project !== undefined) return { scope: 'project', subject: project };
  return user === undefined ? { scope: 'gateway' } : { scope: 'user', subject: user };
}

/** The same for the same owner. A subject that an id cannot hold, such as an address, becomes a digest. */
function toId(provider: string, owner: Owner): string {
  if (owner.scope === 'gateway') return provider;
  const { scope, subject } = owner;
  const isPlain = /^[A-Za-z0-9._-]{1,48}$/.test(subject);
  const name = isPlain ? subject : `:${createHash('sha256').update(subject).digest('hex').slice(0, 32)}`;
  return `${provider}/${scope}/${name}`;
}

async function readSecret(values: OptionValues, io: Io): Promise<string> {
  const file = optionalText(values, 'file');
  let text: string;
  try {
    text = file === undefined ? await io.readStdin() : await readFile(resolve(io.cwd, file), 'utf8');
  } catch (cause) {
    if (file === undefined) throw cause;
    // people sometimes pass the secret itself as the file
    throw new CommandError(
      `The file that --file names cannot be read (${(cause as NodeJS.ErrnoException).code}).`,
      { cause },
    );
  }
  if (text.trim() === '') throw new UsageError(`${file ?? 'Standard input'} is empty.`);
  return text;
}

/** Shows a mistyped provider now; only warns, since a new one needs its credential first. */
async function warnOfProvider(stores: Stores, provider: string, io: Io): Promise<void> {
  const latest = await stores.config.readLatest();
  if (!latest || Object.hasOwn(latest.config.providers, provider)) return;
  const names = Object.keys(latest.config.providers).join(', ') || 'none';
  io.stderr.write(
    `headgate: there is no provider ${JSON.stringify(provider)} in version ${latest.number} of the configuration yet. There are: ${names}.\n`,
  );
}
