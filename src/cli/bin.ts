#!/usr/bin/env node
import { createProcessIo } from './io.ts';
import { main } from './main.ts';

const lingerMs = 1_000;

// the gateway's timers do not keep the process alive, and a command may be waiting for one
const alive = setInterval(() => undefined, 60_000);
process.exitCode = await main(process.argv.slice(2), createProcessIo());
clearInterval(alive);
// a socket that is still open must not keep a finished command alive
setTimeout(() => process.exit(), lingerMs).unref();
