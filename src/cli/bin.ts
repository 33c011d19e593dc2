#!/usr/bin/env node
import { createProcessIo } from './io.ts';
import { main } from './main.ts';

const lingerMs = 1_000;

// timers of the gateway keep no process alive, so a command that waits for one must not end before it
const alive = setInterval(() => undefined, 60_000);
process.exitCode = await main(process.argv.slice(2), createProcessIo());
clearInterval(alive);
// a socket that somebody keeps open must not keep a finished command alive
setTimeout(() => process.exit(), lingerMs).unref();
