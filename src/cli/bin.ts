#!/usr/bin/env node
import { createProcessIo } from './io.ts';
import { main } from './main.ts';

const lingerMs = 1_000;

process.exitCode = await main(process.argv.slice(2), createProcessIo());
// a socket that somebody keeps open must not keep a finished command alive
setTimeout(() => process.exit(), lingerMs).unref();
