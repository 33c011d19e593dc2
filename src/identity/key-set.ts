import type { CryptoKey, JWTHeaderParameters } from 'jose';
import { quietly } from '../quietly.ts';
import type { Runtime } from '../runtime.ts';
import { identityUnavailable } from './refusal.ts';

/** The keys of an issuer from one read. */
export interface LoadedKeys {
  /** Equal for equal keys. */
  readonly fingerprint: string;
  /** The key that a token's header asks for; `undefined` when there is none. Rejects when there are several. */
  find(header: JWTHeaderParameters): Promise<CryptoKey | undefined>;
}

/** How long an issuer's keys are trusted, and how often it is asked. */
export interface KeySetOptions {
  /** Keys are trusted for this long from the start of their read; those in use are read again before that. */
  readonly cacheMs: number;
  /** This much longer while the issuer fails. */
  readonly staleMs: number;
  /** A token that names an unknown key triggers another read, at most this often. */
  readonly cooldownMs: number;
  /** While the issuer fails it is tried again this often. */
  readonly retryMs: number;
  /** Called when the keys have changed, before those who wait for them get them. */
  readonly onChange: () => void;
  /** Called for each failed read. */
  readonly onError: (error: unknown) => void;
}

/** An issuer's keys as verification sees them. */
export interface KeySet {
  /**
   * The key that a token's header asks for; `undefined` when the issuer has no such key.
   *
   * @throws GatewayError 503 `identity_unavailable` when the issuer cannot be asked and the known keys do not suffice
   */
  find(header: JWTHeaderParameters): Promise<CryptoKey | undefined>;
  /** Resolves when keys are loaded. @throws as `find` */
  ready(): Promise<unknown>;
}

interface Held extends LoadedKeys {
  readonly readAtMs: number;
}

/** Single flight, bounded staleness, and never more requests to the issuer than its bounds allow. */
export function createKeySet(
  load: () => Promise<LoadedKeys>,
  runtime: Runtime,
  options: KeySetOptions,
): KeySet {
  const { cacheMs, staleMs, cooldownMs, retryMs, onChange, onError } = options;
  const refreshAfterMs = cacheMs * 0.8;
  let held: Held | undefined;
  let flight: Promise<Held> | undefined;
  let failure: { readonly error: unknown; readonly retryAtMs: number } | undefined;
  let startedAtMs = Number.NEGATIVE_INFINITY;

  const tell = quietly(onError);
  const fly = (): Promise<Held> => {
    if (flight) return flight;
    const readAtMs = runtime.monotonicMs();
    startedAtMs = readAtMs;
    flight = load().then(
      (keys) => {
        const isNew = keys.fingerprint !== held?.fingerprint;
        const isChange = held !== undefined && isNew;
        // the earlier keys have already been imported
        held = { ...(held && !isNew ? held : keys), readAtMs };
        flight = undefined;
        failure = undefined;
        if (isChange) onChange();
        return held;
      },
      (error) => {
        flight = undefined;
        failure = { error, retryAtMs: runtime.monotonicMs() + retryMs };
        tell(error);
        throw identityUnavailable(error);
      },
    );
    return flight;
  };
  const refresh = (nowMs: number): void => {
    if (flight || (failure && nowMs < failure.retryAtMs)) return;
    fly().catch(noop);
  };
  const flyUnlessFailed = (nowMs: number): Promise<Held> => {
    if (!flight && failure && nowMs < failure.retryAtMs) throw identityUnavailable(failure.error);
    return fly();
  };

  const current = async (): Promise<Held> => {
    const nowMs = runtime.monotonicMs();
    const ageMs = held ? nowMs - held.readAtMs : Number.POSITIVE_INFINITY;
    if (held && ageMs < cacheMs) {
      if (ageMs >= refreshAfterMs) refresh(nowMs);
      return held;
    }
    const isUsable = (): boolean =>
      held !== undefined && runtime.monotonicMs() - held.readAtMs < cacheMs + staleMs;
    // nobody waits for a failing issuer while the old keys are usable
    const isFailing = failure && (flight || nowMs < failure.retryAtMs + retryMs);
    if (held && isFailing && isUsable()) {
      refresh(nowMs);
      return held;
    }
    try {
      return await flyUnlessFailed(nowMs);
    } catch (error) {
      if (held && isUsable()) return held;
      throw error;
    }
  };
  /** The issuer's keys now, if it may be asked: a token names a key that `seen` does not have. */
  const renew = async (seen: Held): Promise<Held | undefined> => {
    if (held !== seen) return held;
    const nowMs = runtime.monotonicMs();
    if (flight || failure) return flyUnlessFailed(nowMs);
    return nowMs - startedAtMs < cooldownMs ? undefined : fly();
  };

  return {
    async find(header) {
      const keys = await current();
      return (await keys.find(header)) ?? (await renew(keys))?.find(header);
    },
    ready: current,
  };
}

function noop(): void {}
