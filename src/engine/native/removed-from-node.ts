/**
 * Puts into `node:util` what tfjs-node-gpu, last released in 2024, still calls: Node 22 warns of `isArray`, and Node 23
 * removed both; otherwise nothing computes on Node 24. Imported for its effect, before the package: by `addon.ts`, and
 * with `--import` by the process in which a fresh addon is proved.
 */
import { createRequire } from 'node:module';

// An ES module's view of `node:util` cannot be added to; the object that `require` gives can.
const util = createRequire(import.meta.url)('node:util');
util.isArray = Array.isArray;
util.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
