/**
 * Ctrl-C in every stage: `node dist/bench/interrupts.js [--model FOLDER] [--task NAME] [--engine NAME] [--rounds N]
 * [--seed N] [--command NAME] [--only STAGE,…] [--within SECONDS] [--store FOLDER]`, after `npm run build`. Each stage of `run`, `score` and `interpret` is interrupted
 * at a random moment, once with one Ctrl-C and once with a second one right behind it; then the same command goes on to
 * the next stage. Exit code 1 if a process takes longer to end than `--within` seconds (5), ends with another code than
 * 130, or leaves a manifest that says `running`. The suite runs a short form.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { main } from '../cli/command-line.js';
import { Random } from '../src/random.js';

const CHILD = '--child';

/** Stages in the order in which they come, as progress names them. */
const STAGES = {
  run: [
    'decompose',
    'load',
    'prepare',
    'train',
    'round',
    'evaluate',
    'attack',
    'read',
    'receptors',
    'prompts',
  ],
  score: ['load', 'score'],
  interpret: ['receptors'],
  'interpret on prompts': ['read', 'heads', 'prompts'],
} as const;

/** Seconds after a stage's first sign within which Ctrl-C comes. */
const SPREAD = 3;
/** Milliseconds between the first Ctrl-C and the second. */
const BETWEEN = 200;

if (process.argv[2] === CHILD) {
  // The program as it is on a terminal: there, its bar names a stage as soon as it begins.
  process.stderr.isTTY = true;
  process.exitCode = await main(process.argv.slice(3));
} else process.exitCode = await interrupts();

interface Outcome {
  /** Milliseconds from the last Ctrl-C to the end, and of the processor in between; null where the command ended before. */
  took: number | null;
  worked: number;
  wrong: string[];
}

async function interrupts(): Promise<number> {
  const option = (name: string, fallback: string) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? fallback : process.argv[at + 1]!;
  };
  const [model, task] = [option('model', 'embedded'), option('task', 'ioi')];
  const [engine, rounds, only] = [
    option('engine', 'wasm'),
    Number(option('rounds', '1')),
    option('only', ''),
  ];
  const chosen = option('command', '');
  const limit = 1000 * Number(option('within', '5'));
  const random = new Random(Number(option('seed', '0')));
  const folder = mkdtempSync(join(tmpdir(), 'orthoscope-interrupts-'));
  const kept = option('store', join(folder, 'store'));
  const data = join(folder, 'prompts.jsonl');
  writeFileSync(
    data,
    '{"clean":"When Mary and John went to the store, John gave a drink to"}\n'.repeat(3000),
  );
  const sizes = ['--train-pairs', '64', '--validation-pairs', '32', '--test-pairs', '64'].concat([
    '--steps',
    '4',
    '--rounding-steps',
    '3',
    '--control-seeds',
    '2',
    '--attack',
    '10',
    '--attack-starts',
    '2',
  ]);
  const args = {
    run: ['run', model, '--task', task, '--engine', engine, ...sizes],
    score: ['score', model, '--data', data, '--engine', engine, '--directions', 'all'],
    interpret: ['interpret', model, '--engine', engine, '--directions', 'all'],
    'interpret on prompts': [
      ...['interpret', model, '--task', task, '--engine', engine, '--directions', 'all'],
      ...['--test-pairs', '16', '--traced', '16'],
    ],
  };
  let faults = 0;
  try {
    for (const command of (Object.keys(STAGES) as (keyof typeof STAGES)[]).filter(
      (name) => chosen === '' || name === chosen,
    ))
      for (let round = 0; round < rounds; round++)
        for (const twice of [false, true]) {
          const begun = join(folder, `${command}-${round}-${twice}`.replaceAll(' ', '-'));
          for (const stage of STAGES[command].filter(
            (name) => only === '' || only.split(',').includes(name),
          )) {
            const store = stage === 'decompose' ? `${begun}-store` : kept;
            // Reading begins anew each time.
            const reads = args[command][0] === 'interpret';
            const out = reads ? `${begun}-${stage}` : begun;
            const whole = [...args[command], '--store', store, '--out', out].concat(reads ? [] : '--resume');
            const outcome = await interrupted(whole, out, stage, { twice, wait: random.uniform() * SPREAD });
            const { took, worked, wrong } = outcome;
            // On a machine that others use as well, time passes in which nothing is done here.
            if (took !== null && Math.min(took, worked || took) > limit)
              wrong.push(`took longer than ${limit / 1000} s`);
            faults += wrong.length;
            const how =
              took === null
                ? 'ended before'
                : `${(took / 1000).toFixed(2)} s, ${(worked / 1000).toFixed(2)} of the processor`;
            const count = twice ? 'twice' : 'once';
            console.log(
              `${command.padEnd(20)} ${stage.padEnd(10)} ${count.padEnd(6)} ${how}${wrong.map((text) => `  FAULT: ${text}`).join('')}`,
            );
          }
        }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${faults} faults`);
  return faults === 0 ? 0 : 1;
}

/** Runs a command until a stage has begun, and interrupts it there. */
async function interrupted(
  args: readonly string[],
  out: string,
  stage: string,
  { twice, wait }: { twice: boolean; wait: number },
): Promise<Outcome> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), CHILD, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let [said, begun] = ['', false];
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const begins = new Promise<void>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000);
      if (!begun && new RegExp(`${stage} +[█░]`).test(said)) {
        begun = true;
        resolve();
      }
    });
  });
  await Promise.race([begins, ended]);
  await Promise.race([sleep(1000 * wait), ended]);
  if (child.exitCode !== null || child.signalCode !== null) {
    const wrong =
      child.exitCode === 0 ? [] : [`ended with ${child.exitCode ?? child.signalCode}: ${said.slice(-300)}`];
    if (!begun) wrong.push('the stage was not seen');
    return { took: null, worked: 0, wrong };
  }
  child.kill('SIGINT');
  if (twice) {
    await Promise.race([sleep(BETWEEN), ended]);
    child.kill('SIGINT');
  }
  const [started, before] = [performance.now(), processorTime(child.pid!)];
  let last = before;
  const watch = setInterval(() => {
    last = Math.max(last, processorTime(child.pid!));
  }, 50);
  const [code, signal] = await ended;
  clearInterval(watch);
  const took = performance.now() - started;
  const wrong: string[] = [];
  const manifest = join(out, 'manifest.json');
  const status = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).status : 'none';
  // What was done anyway by the time that Ctrl-C was heard is no interruption.
  if (code !== 130 && !(code === 0 && status === 'complete'))
    wrong.push(`ended with ${code ?? signal}: ${said.slice(-300)}`);
  if (status === 'running') wrong.push('its manifest says running');
  return { took, worked: last - before, wrong };
}

/** Milliseconds of the processor that a process has had, as Linux tells in hundredths of a second; 0 elsewhere. */
function processorTime(pid: number): number {
  try {
    // Behind the name in parentheses: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return 0;
  }
}
