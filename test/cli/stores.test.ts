import { testCommandsOn } from './store-commands.ts';

testCommandsOn('files', async () => 'file:store');
testCommandsOn('SQLite', async () => 'sqlite:store.db');
