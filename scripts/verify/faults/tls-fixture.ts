import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority that exists for as long as the process does, so that nothing of it expires. */
export interface Authority {
  /** PEM of its own certificate. */
  readonly cert: string;
  /** A certificate for a host name or an IPv4 address, valid between two instants. */
  issue(host: string, fromMs: number, untilMs: number): Certificate;
}

const dayMs = 86_400_000;

// ASN.1 in DER, as far as an X.509 certificate (RFC 5280) needs it
const toDer = (tag: number, ...parts: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(head), content]);
};
const sequence = (...parts: readonly Buffer[]) => toDer(0x30, ...parts);
const oid = (...bytes: readonly number[]) => toDer(0x06, Buffer.from(bytes));
const bits = (bytes: Buffer) => toDer(0x03, Buffer.from([0]), bytes);
const truth = toDer(0x01, Buffer.from([255]));
const toTime = (ms: number) =>
  toDer(0x18, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));
const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
const toName = (text: string) =>
  sequence(toDer(0x31, sequence(oid(0x55, 0x04, 0x03), toDer(0x0c, Buffer.from(text)))));
const toExtension = (id: number, isCritical: boolean, value: Buffer) =>
  sequence(oid(0x55, 0x1d, id), ...(isCritical ? [truth] : []), toDer(0x04, value));

function toHost(host: string): Buffer {
  const octets = host.split('.').map(Number);
  const isAddress = octets.length === 4 && octets.every((octet) => octet >= 0 && octet < 256);
  return isAddress ? toDer(0x87, Buffer.from(octets)) : toDer(0x82, Buffer.from(host));
}

function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

interface Subject {
  readonly name: string;
  readonly issuer: string;
  readonly extensions: readonly Buffer[];
  readonly fromMs: number;
  readonly untilMs: number;
}

function toCertificate(subject: Subject, publicKey: KeyObject, signer: KeyObject): string {
  const serial = randomBytes(8);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    toDer(0xa0, toDer(0x02, Buffer.from([2]))),
    toDer(0x02, serial),
    ecdsaWithSha256,
    toName(subject.issuer),
    sequence(toTime(subject.fromMs), toTime(subject.untilMs)),
    toName(subject.name),
    publicKey.export({ type: 'spki', format: 'der' }),
    toDer(0xa3, sequence(...subject.extensions)),
  );
  return toPem('CERTIFICATE', sequence(body, ecdsaWithSha256, bits(sign('sha256', body, signer))));
}

/** Makes an authority of its own. Nobody trusts it until told. */
export function createAuthority(name: string, nowMs: number): Authority {
  const root = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const isAuthority = toExtension(0x13, true, sequence(truth));
  const keyUsage = toExtension(0x0f, true, toDer(0x03, Buffer.from([1, 0x06])));
  const span = { fromMs: nowMs - 3_650 * dayMs, untilMs: nowMs + 3_650 * dayMs };
  const cert = toCertificate(
    { name, issuer: name, extensions: [isAuthority, keyUsage], ...span },
    root.publicKey,
    root.privateKey,
  );
  return {
    cert,
    issue(host, fromMs, untilMs) {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const hosts = toExtension(0x11, false, sequence(toHost(host)));
      return {
        cert: toCertificate(
          { name: host, issuer: name, extensions: [hosts], fromMs, untilMs },
          pair.publicKey,
          root.privateKey,
        ),
        key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      };
    },
  };
}
