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

export const die = answering((how) => {
  if (how === 'exit') {
    process.stderr.write('some remark\nno space left\n', () => process.exit(3));
    return new Promise(() => {});
  }
  process.kill(process.pid, how);
  return new Promise(() => {});
});
