/**
 * Loaded into every process of the suite before anything else: notes what Node warns of, and files that nobody closed.
 * Node closes a forgotten file when its handle is garbage-collected, warns of it at a moment that nobody can foresee,
 * and will throw in a coming version; this says at once which line opened it.
 */
const { appendFileSync } = require('node:fs');
const fs = require('node:fs/promises');
const { syncBuiltinESMExports } = require('node:module');
const { isMainThread } = require('node:worker_threads');

/** Open files by handle: the path, and who opened it. */
const open = new Map();
const warnings = [];

const original = fs.open;
fs.open = async (path, ...rest) => {
  const { stack } = new Error(`${path} is still open; it was opened`);
  const handle = await original(path, ...rest);
  open.set(handle, stack.replace('Error: ', ''));
  handle.once('close', () => open.delete(handle));
  return handle;
};
syncBuiltinESMExports();
process.on('warning', ({ name, message, stack }) => warnings.push(stack ?? `${name}: ${message}`));

/** What there is to complain of so far, then forgotten. */
exports.complaints = () => [...warnings.splice(0), ...open.values()];

// Children of the suite leave theirs in a file. A thread ends with its process, and its files with it.
const { ORTHOSCOPE_TEST_COMPLAINTS: log } = process.env;
if (log && isMainThread)
  process.on('exit', () => {
    for (const text of exports.complaints())
      appendFileSync(log, `${process.argv.slice(1).join(' ')}: ${text}\n`);
  });
