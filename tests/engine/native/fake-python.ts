/** A `python3` for tests: a Node script that answers what this program asks of Python, pip and zipfile. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface FakePython {
  /** Where it says that tensorflow is installed. */
  tensorflow?: string;
  pip?: boolean;
  /** File names that `pip download` leaves behind, all with the same content; or what it says as it fails. */
  download?: string[] | { error: string };
  unzip?: { error: string };
}

/**
 * Puts it in `folder`/bin, which is to be the whole PATH. A line for every call is added to `folder`/calls,
 * and unpacking a wheel makes an empty TensorFlow.
 */
export function fakePython(folder: string, behaviour: FakePython): { bin: string; calls: string } {
  const bin = join(folder, 'bin');
  const calls = join(folder, 'calls');
  mkdirSync(bin, { recursive: true });
  writeFileSync(calls, '');
  const script = `#!${process.execPath}
const { appendFileSync, mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
const behaviour = ${JSON.stringify({ pip: true, ...behaviour })};
appendFileSync(${JSON.stringify(calls)}, args.join(' ') + '\\n');
const fail = (text) => { console.error(text); process.exit(1); };
if (args[0] === '-c') {
  if (args[1].includes('find_spec')) console.log(behaviour.tensorflow ?? '');
} else if (args[1] === 'pip') {
  if (!behaviour.pip) fail('No module named pip');
  if (args[2] === 'download') {
    if (behaviour.download?.error) fail(behaviour.download.error);
    const to = args[args.indexOf('--dest') + 1];
    mkdirSync(to, { recursive: true });
    for (const file of behaviour.download ?? []) writeFileSync(join(to, file), 'content');
  }
} else if (args[1] === 'zipfile') {
  if (behaviour.unzip) fail(behaviour.unzip.error);
  (${String(emptyTensorFlow)})(join(args[4], 'tensorflow'), { mkdirSync, writeFileSync, join });
}
`;
  writeFileSync(join(bin, 'python3'), script, { mode: 0o755 });
  return { bin, calls };
}

/** What can be told from outside to be a TensorFlow, with nothing in it. */
export function emptyTensorFlow(folder: string, fs = { mkdirSync, writeFileSync, join }): void {
  const headers = fs.join(folder, 'include', 'tensorflow', 'c');
  fs.mkdirSync(headers, { recursive: true });
  for (const file of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'])
    fs.writeFileSync(fs.join(folder, file), '');
  fs.writeFileSync(fs.join(headers, 'c_api.h'), '');
}
