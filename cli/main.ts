#!/usr/bin/env node
/** The program `orthoscope`. */
import { main } from './command-line.js';
import { watchStreams } from './streams.js';

watchStreams();

process.exitCode = await main(process.argv.slice(2));
