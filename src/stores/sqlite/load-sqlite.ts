import type * as Sqlite from 'node:sqlite';

/**
 * Loads `node:sqlite` on first use, so that a process without a SQLite store never does.
 *
 * @throws Error when this runtime has no `node:sqlite`
 */
export function loadSqlite(): typeof Sqlite {
  const emitWarning = process.emitWarning;
  // Node 22 announces the module as experimental while it loads. Loading is synchronous, so nobody else's warning can
  // come meanwhile, and those not about the module are passed on.
  process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
    if (rest[0] === 'ExperimentalWarning' && String(warning).startsWith('SQLite ')) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  try {
    // not import(): bundlers that do not know it strip the prefix or refuse it
    const sqlite = process.getBuiltinModule?.('node:sqlite');
    if (sqlite === undefined)
      throw new Error('SQLite stores need node:sqlite, which Node has from 22.19 on.');
    return sqlite;
  } finally {
    process.emitWarning = emitWarning;
  }
}
