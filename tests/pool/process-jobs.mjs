/** Jobs of processes under test, as a worker's entry has them. */

import { InputError } from '../../dist/src/errors.js';
import { answering } from '../../dist/src/pool/worker-pool.js';

let jobs = 0;

/** What a process knows of itself: its id, its place, and how many such jobs it has had. */
export const whoami = answering(() => ({ pid: process.pid, place: process.env.PLACE, jobs: ++jobs }));

export const variable = answering((name) => process.env[name]);

export const sum = answering(({ values }) => {
  const total = values.reduce((sum, value) => sum + value, 0);
  return { total, doubled: values.map((value) => 2 * value) };
});

export const refuse = answering(() => {
  throw new InputError('no such layer; give another');
});

export const fail = answering(() => {
  throw new RangeError('out of range');
});

export const sleep = answering((milliseconds) => new Promise((done) => setTimeout(done, milliseconds)));

/** The end of what Node printed where its memory had run out in the midst of making a TypeError. */
const OUT_OF_MEMORY = `
<--- JS stacktrace --->

FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
----- Native stack trace -----

 1: 0xb78db3 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]
17: 0xf0253c v8::Exception::TypeError(v8::Local<v8::String>) [node]
18: 0xc19d1f  [node]
`;

export const die = answering((how) => {
  if (how === 'SIGABRT') {
    process.stderr.write(OUT_OF_MEMORY, () => process.kill(process.pid, how));
    return new Promise(() => {});
  }
  if (how === 'exit') {
    process.stderr.write('some remark\nno space left\n', () => process.exit(3));
    return new Promise(() => {});
  }
  process.kill(process.pid, how);
  return new Promise(() => {});
});
