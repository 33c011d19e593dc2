export { type KeyStoreCase, type KeyStoreHarness, keyStoreContract } from './contracts/key-store.ts';
export { type LedgerCase, type LedgerHarness, ledgerContract } from './contracts/ledger.ts';
export * from './fake-upstream/index.ts';
export { createVirtualRuntime, type VirtualRuntime, type VirtualRuntimeOptions } from './virtual-runtime.ts';
