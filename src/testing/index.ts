export {
  type ConfigStoreCase,
  type ConfigStoreHarness,
  configStoreContract,
} from './contracts/config-store.ts';
export { type KeyStoreCase, type KeyStoreHarness, keyStoreContract } from './contracts/key-store.ts';
export { type LedgerCase, type LedgerHarness, type LedgerNeed, ledgerContract } from './contracts/ledger.ts';
export {
  type SecretStoreCase,
  type SecretStoreHarness,
  secretStoreContract,
} from './contracts/secret-store.ts';
export type { StoreCase, StoreHarness, StoreNeed } from './contracts/store-case.ts';
export {
  toKeyStoreHarness,
  type WritableKeyStoreCase,
  type WritableKeyStoreHarness,
  writableKeyStoreContract,
} from './contracts/writable-key-store.ts';
export * from './fake-upstream/index.ts';
export { createVirtualRuntime, type VirtualRuntime, type VirtualRuntimeOptions } from './virtual-runtime.ts';
