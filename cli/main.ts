#!/usr/bin/env node
/** The command line: reads flags, calls the library, prints. Exit codes: 0 done, 2 wrong input, 1 our fault, 130 interrupted. */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { kebabCase } from '../src/case.js';
import { InputError, InterruptedError } from '../src/errors.js';
import { packageVersion } from '../src/run/session.js';
import { decomposeCommand } from './commands/decompose.js';
import { engineCommand } from './commands/engine.js';
import { evaluateCommand } from './commands/evaluate.js';
import { modelCommand } from './commands/model.js';
import { reportCommand } from './commands/report.js';
import { runCommand } from './commands/run.js';
import { scoreCommand } from './commands/score.js';
import { sweepCommand } from './commands/sweep.js';
import { taskCommand } from './commands/task.js';
import { trainCommand } from './commands/train.js';
import { workerCommand } from './commands/worker.js';

async function main(): Promise<void> {
  const args = hideBin(process.argv);
  const bare = checkFlags(args);
  await yargs(args)
    .scriptName('orthoscope')
    .usage('$0 COMMAND: circuits of language models as sets of singular directions')
    .command(runCommand)
    .command(decomposeCommand)
    .command(trainCommand)
    .command(evaluateCommand)
    .command(modelCommand)
    .command(sweepCommand)
    .command(workerCommand)
    .command(scoreCommand)
    .command(reportCommand)
    .command(taskCommand)
    .command(engineCommand)
    .options({
      json: { type: 'boolean', default: false, describe: 'Result as JSON on stdout' },
      quiet: { type: 'boolean', default: false, describe: 'No remarks and no progress' },
    })
    .config('config', 'YAML file with the same keys as the flags', readConfig)
    // Without a file's name the parser would take it for a switch.
    .string('config')
    .demandCommand(1, 'name a command')
    .strict()
    .parserConfiguration({ 'duplicate-arguments-array': false, 'dot-notation': false })
    .version(packageVersion())
    .help()
    .alias('help', 'h')
    .wrap(100)
    .exitProcess(false)
    .check((values) => {
      // What stands behind a flag that takes text and gets none.
      const empty = Object.keys(values).find((name) => values[name] === '');
      if (empty !== undefined)
        throw new InputError(`--${kebabCase(empty)}: is empty; give a value or leave it out`);
      // The parser gives a number or a choice without a value its default, and only a switch becomes true.
      const valueless = bare.find((name) => values[name] !== true);
      if (valueless !== undefined)
        throw new InputError(`--${valueless}: has no value; give one or leave it out`);
      return true;
    })
    .fail((message, error, help) => {
      // What yargs itself finds wrong comes as a message or as an error of its own.
      if (error && error.name !== 'YError') throw error;
      const found = message ?? error.message;
      const missing = /^Not enough non-option arguments/.test(found) && needOf(String(help.help()));
      throw new InputError(`${missing || found}; see --help`);
    })
    .parseAsync();
}

/** What a command must be given, from the first line of its help: `orthoscope sweep status <folder>`. */
function needOf(help: string): string | null {
  const [, command, need] = /^orthoscope (.+?) (<.+>)/.exec(help) ?? [];
  return need === undefined ? null : `${command}: ${need} is missing`;
}

/** Flags that a command takes several of. */
const REPEATABLE: Record<string, string> = { score: '--data', worker: '--model' };

/**
 * Which of two values is meant nobody knows, and an empty one is most often a variable that was not set; the parser
 * would take the last and the empty one.
 * @returns names of the flags that no value follows: switches, or forgotten values
 * @throws InputError naming the flag
 */
function checkFlags(args: readonly string[]): string[] {
  const seen = new Set<string>();
  const bare: string[] = [];
  const command = args.find((arg) => Object.hasOwn(REPEATABLE, arg)) ?? '';
  const end = args.indexOf('--');
  args.slice(0, end < 0 ? args.length : end).forEach((arg, i) => {
    const [, flag, value] = /^(--[a-z][\w-]*)(?:=(.*))?$/is.exec(arg) ?? [];
    if (flag === undefined) return;
    if ((value ?? args[i + 1]) === '')
      throw new InputError(`${flag}: is empty; give a value or leave it out`);
    if (seen.has(flag) && REPEATABLE[command] !== flag)
      throw new InputError(`${flag}: is given twice; leave one out`);
    seen.add(flag);
    const next = args[i + 1];
    if (
      value === undefined &&
      !flag.startsWith('--no-') &&
      (next === undefined || /^--?(?!\d|\.)./.test(next))
    )
      bare.push(flag.slice(2));
  });
  return bare;
}

function readConfig(path: string): object {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new InputError(`--config ${path}: cannot be read`);
  }
  let values: unknown;
  try {
    values = parseYaml(text);
  } catch (error) {
    throw new InputError(`${path}: not YAML (${(error as Error).message.split('\n')[0]})`);
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw new InputError(`${path}: holds no keys; write one "flag: value" a line`);
  return values;
}

try {
  await main();
} catch (error) {
  process.exitCode = conclude(error);
}

/** Says what went wrong, in one line for what the user can put right. */
function conclude(error: unknown): number {
  if (error instanceof InterruptedError) {
    process.stderr.write(`${error.message}\n`);
    return 130;
  }
  if (error instanceof InputError) {
    process.stderr.write(`orthoscope: ${error.message.replaceAll('\n', ' ')}\n`);
    return 2;
  }
  process.stderr.write(
    `orthoscope: a fault of ours: ${error instanceof Error ? error.stack : String(error)}\n`,
  );
  return 1;
}
