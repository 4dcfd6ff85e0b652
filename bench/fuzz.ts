/**
 * Generated inputs for everything that reads files, flags or messages of others: `node dist/bench/fuzz.js [--inputs N]
 * [--seed N] [--only TEXT] [--at N] [--threads N]`, after `npm run build`. Each is read in a thread with little memory; it must be
 * taken, or refused by an InputError of one short line, within two seconds, without opening a file beyond the folder
 * that it was given and without changing what all objects inherit. `--at` repeats one input of one parser. Exit code 1
 * if anything was wrong. The suite runs a short form.
 */
import fs, { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { InputError } from '../src/errors.js';
import { packageFile } from '../src/package-file.js';
import { Random } from '../src/random.js';
import { changedBytes, changedJson, changedText } from './fuzz-mutate.js';
import { type Parser, parsersIn, prepare } from './fuzz-parsers.js';

/** Milliseconds that one input may take; it is tried again before it counts, for a machine that others use too. */
const PATIENCE = 2000;
/** Milliseconds without an end after which a thread is taken for stuck. */
const STUCK = 60_000;
/** JavaScript's memory of a thread in MiB, and what buffers may hold beyond the sample's: inputs are of some kilobytes. */
const HEAP_MIB = 192;
const BUFFER_MIB = 320;

const option = (name: string, fallback: number) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};

interface Task {
  folder: string;
  seed: number;
  inputs: number;
  only: string;
  at: number;
  /** Which parsers of all, and of how many threads. */
  part: number;
  parts: number;
  /** Number of the parser and of the input underway, and when that began in milliseconds. */
  underway: Float64Array<SharedArrayBuffer>;
}

type Message =
  | {
      type: 'parser';
      name: string;
      inputs: number;
      taken: number;
      seconds: number;
      slowest: number;
      mebibytes: number;
    }
  | { type: 'fault'; name: string; input: number; fault: string; kept: string };

if (isMainThread) process.exitCode = await main();
else await work(workerData as Task);

async function main(): Promise<number> {
  // In memory where that is possible: most of an input's time would go into files.
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'orthoscope-fuzz-'));
  const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1]! : '';
  const parts = option('threads', Math.min(2, availableParallelism()));
  const started = performance.now();
  let [inputs, taken, faults, slowest, most] = [0, 0, 0, 0, 0];
  try {
    prepare(join(folder, 'prepared'));
    await Promise.all(
      Array.from({ length: parts }, (_, part) => {
        const underway = new Float64Array(new SharedArrayBuffer(24));
        const task: Task = {
          folder: join(folder, String(part)),
          seed: option('seed', 0),
          inputs: option('inputs', 1_000_000),
          at: option('at', -1),
          only,
          part,
          parts,
          underway,
        };
        const worker = new Worker(new URL(import.meta.url), {
          workerData: task,
          argv: process.argv.slice(2),
          resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
        });
        const where = () => `parser ${underway[0]}, input ${underway[1]} (seed ${task.seed})`;
        return new Promise<void>((done) => {
          const watch = setInterval(() => {
            if (underway[2]! === 0 || Date.now() - underway[2]! < STUCK) return;
            console.log(`HANGS: ${where()}`);
            faults++;
            void worker.terminate();
          }, 1000);
          worker.on('message', (message: Message) => {
            if (message.type === 'fault') {
              faults++;
              console.log(
                `FAULT: ${message.name}, input ${message.input}, kept as ${message.kept}: ${message.fault}`,
              );
              return;
            }
            inputs += message.inputs;
            taken += message.taken;
            slowest = Math.max(slowest, message.slowest);
            most = Math.max(most, message.mebibytes);
            console.log(
              `${message.name.padEnd(28)} ${String(message.inputs).padStart(8)} inputs, ${String(message.taken).padStart(7)} taken, ` +
                `${message.seconds.toFixed(0).padStart(5)} s, slowest ${message.slowest.toFixed(0)} ms, buffers ${message.mebibytes.toFixed(0)} MiB`,
            );
          });
          worker.on('error', (error) => {
            faults++;
            console.log(`ENDS THE THREAD: ${where()}: ${error.stack}`);
          });
          worker.on('exit', () => {
            clearInterval(watch);
            done();
          });
        });
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage();
  console.log(
    `${inputs} inputs, ${taken} taken, the others refused; ${faults} faults; slowest ${slowest.toFixed(0)} ms, ` +
      `most buffers ${most.toFixed(0)} MiB, heap below ${HEAP_MIB} MiB; ${seconds.toFixed(0)} s, ` +
      `${((user + system) / 1e6).toFixed(0)} s of the processor`,
  );
  return faults === 0 && inputs > 0 ? 0 : 1;
}

async function work(task: Task): Promise<void> {
  cpSync(join(task.folder, '../prepared'), task.folder, { recursive: true });
  const parsers = parsersIn(task.folder);
  const weights = parsers.reduce((sum, { weight = 1 }) => sum + weight, 0);
  const outside = watchFiles([task.folder, packageFile('.'), join(tmpdir(), 'fuzz-')]);
  const unheard: string[] = [];
  process.on('unhandledRejection', (error) =>
    unheard.push(`nobody awaits: ${(error as Error)?.stack ?? error}`),
  );
  const inherited = Object.getOwnPropertyNames(Object.prototype).length;
  for (const [number, each] of parsers.entries()) {
    const parser = { ...each, json: jsonOf(each) };
    if (number % task.parts !== task.part || !parser.name.includes(task.only)) continue;
    const wanted = Math.ceil((task.inputs * (parser.weight ?? 1)) / weights);
    const [from, to] = task.at >= 0 ? [task.at, task.at + 1] : [0, wanted];
    const started = performance.now();
    let [taken, slowest, most] = [0, 0, 0];
    for (let input = from; input < to; input++) {
      task.underway.set([number, input, Date.now()]);
      const random = new Random(task.seed).fork(`${parser.name} ${input}`);
      const content = changed(parser, random);
      let { fault, milliseconds, accepted } = await readOnce(parser, content);
      for (let again = 0; again < 2 && milliseconds > PATIENCE; again++)
        milliseconds = Math.min(milliseconds, await timeSpent(() => readOnce(parser, content)));
      if (milliseconds > PATIENCE) fault ??= `takes ${milliseconds.toFixed(0)} ms`;
      // What nobody awaits shows in the next turn.
      if (input % 64 === 0 || task.at >= 0) {
        await new Promise((turn) => setImmediate(turn));
        const mebibytes = process.memoryUsage().arrayBuffers / 2 ** 20;
        most = Math.max(most, mebibytes);
        if (mebibytes > BUFFER_MIB) fault ??= `buffers hold ${mebibytes.toFixed(0)} MiB`;
      }
      if (unheard.length > 0) fault ??= unheard.splice(0).join('; ');
      if (outside.length > 0) fault ??= `opens ${outside.splice(0).join(', ')}`;
      if (Object.getOwnPropertyNames(Object.prototype).length !== inherited)
        fault ??= 'changes what all objects inherit';
      slowest = Math.max(slowest, milliseconds);
      if (accepted) taken++;
      if (fault !== null) {
        const kept = join(tmpdir(), `fuzz-${parser.name.replace(/\W+/g, '-')}-${task.seed}-${input}`);
        writeFileSync(kept, content);
        post({ type: 'fault', name: parser.name, input, fault, kept });
      }
    }
    if (parser.file) writeFileSync(parser.file, parser.sample);
    task.underway[2] = 0;
    post({
      type: 'parser',
      name: parser.name,
      inputs: to - from,
      taken,
      seconds: (performance.now() - started) / 1000,
      slowest,
      mebibytes: most,
    });
  }
}

function post(message: Message): void {
  parentPort!.postMessage(message);
}

async function readOnce(
  parser: Parser,
  content: Buffer,
): Promise<{ fault: string | null; milliseconds: number; accepted: boolean }> {
  if (parser.file) writeFileSync(parser.file, content);
  const started = performance.now();
  const [fault, accepted] = await (async () => parser.read(content.toString()))().then(
    () => [null, true] as const,
    (error: unknown) => [wrong(error), false] as const,
  );
  return { fault, milliseconds: performance.now() - started, accepted };
}

/** Milliseconds that something takes; on a machine that others use as well, those of the processor, if fewer. */
async function timeSpent(work: () => Promise<unknown>): Promise<number> {
  const [started, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return Math.min(performance.now() - started, (user + system) / 1000);
}

/** What is wrong with a refusal, or null. */
function wrong(error: unknown): string | null {
  if (!(error instanceof InputError)) return error instanceof Error ? error.stack! : `throws ${error}`;
  if (error.message.length > 1100) return `a message of ${error.message.length} characters`;
  return /[\p{Cc}\u2028\u2029]/u.test(error.message)
    ? `a message with control characters: ${JSON.stringify(error.message)}`
    : null;
}

/** What a sample holds as JSON, in front or as a whole; parsed once. */
function jsonOf({ form, sample }: Parser): unknown {
  if (form === 'json') return JSON.parse(sample.toString());
  return form === 'header'
    ? JSON.parse(sample.toString('utf8', 8, 8 + Number(sample.readBigUInt64LE(0))))
    : null;
}

function changed({ form, sample, json }: Parser & { json?: unknown }, random: Random): Buffer {
  // Even a format of text comes damaged now and then.
  if (form === 'bytes' || random.uniform() < 0.05) return changedBytes(sample, random);
  if (form === 'text') return Buffer.from(changedText(sample.toString(), random));
  if (form === 'json')
    return Buffer.from(
      random.uniform() < 0.8 ? changedJson(json, random) : changedText(sample.toString(), random),
    );
  const end = 8 + Number(sample.readBigUInt64LE(0));
  const text = Buffer.from(
    random.uniform() < 0.8 ? changedJson(json, random) : changedText(sample.toString('utf8', 8, end), random),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([
    length,
    text,
    random.uniform() < 0.8 ? sample.subarray(end) : changedBytes(sample.subarray(end), random),
  ]);
}

/** Paths that are opened beyond the folders, as they are. */
function watchFiles(allowed: readonly string[]): string[] {
  const outside: string[] = [];
  const check = (path: unknown): void => {
    if (typeof path !== 'string') return;
    const whole = resolve(path);
    if (!allowed.some((folder) => whole.startsWith(resolve(folder)))) outside.push(whole);
  };
  const watch = (holder: Record<string, unknown>, names: readonly string[]): void => {
    for (const name of names) {
      const original = holder[name] as (...args: unknown[]) => unknown;
      holder[name] = (...args: unknown[]) => {
        check(args[0]);
        return original(...args);
      };
    }
  };
  watch(fs.promises as never, [
    'open',
    'readFile',
    'writeFile',
    'appendFile',
    'rm',
    'rename',
    'mkdir',
    'truncate',
  ]);
  watch(fs as never, ['createReadStream', 'openSync', 'readFileSync', 'readdirSync']);
  syncBuiltinESMExports();
  return outside;
}
