/** The command line: reads flags, calls commands, prints. Exit codes: 0 done, 2 wrong input, 1 our fault, 130 interrupted. */
import type { Argv } from 'yargs';
import { didYouMean } from '../src/closest.js';
import { InputError, InterruptedError } from '../src/errors.js';
import { packageVersion } from '../src/package-file.js';
import { printable } from '../src/plain-text.js';
import type { Command } from '../src/settings/commands.js';
import type { Context, Output } from './context.js';
import { INDEX } from './index.js';
import { COMPLETION, OUTER, overview } from './overview.js';

/**
 * @param args words behind `orthoscope`
 * @returns the exit code; what went wrong is on stderr
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const asked = await parse(args);
    if (asked === null) return 0;
    const { command, settings, output } = asked;
    const { inContext } = await import('./context.js');
    const handle = (await INDEX[command].load()) as Handle;
    return await inContext(output, (context) => handle(settings, context));
  } catch (error) {
    return conclude(error);
  }
}

type Handle = (given: Record<string, unknown>, context: Context) => Promise<void>;

/** A command line as it was read. */
interface Asked {
  command: Command;
  /** What flags and config file give. */
  settings: Record<string, unknown>;
  output: Output;
}

/**
 * @returns null where it asked for help, the version or completions, which are then printed
 * @throws InputError naming the flag, or the config file's line, that is wrong
 */
export async function parse(args: readonly string[]): Promise<Asked | null> {
  const name = OUTER.find((name) => name === args.find((arg) => OUTER.includes(arg as Command)));
  const completes = args.some((arg) => arg === COMPLETION.usage || arg.startsWith('--get-yargs'));
  if (name === undefined && !completes) return printTop(args);

  // It takes as long to load as Node takes to start.
  const { default: yargs } = await import('yargs');
  const parser = yargs([...args]).scriptName('orthoscope');
  // Of the others it is enough to be listed: what settings need is loaded for the one that is asked for.
  for (const other of OUTER) {
    const { usage, describe } = INDEX[other];
    if (other !== name) parser.command(usage, describe);
  }
  let asked: Asked | null = null;
  let flags: string[] = [];
  if (name !== undefined) {
    const { declare, flagNames, given, sharedSwitches } = await import('./flags.js');
    const shown = args.some((arg) => /^(--help|-h|--get-yargs-completions)$/.test(arg));
    const within = (Object.keys(INDEX) as Command[]).filter((other) => other.startsWith(`${name} `));
    flags = [name, ...within].flatMap(flagNames);
    // Otherwise a switch before the command's name takes that name for its value.
    parser.boolean(sharedSwitches([name, ...within]));
    const add = (to: Argv, command: Command, usage: string) =>
      to.command(
        usage,
        INDEX[command].describe,
        (inner) => declare(inner, command, shown),
        async (found) => {
          const { json, quiet, dryRun, ...settings } = await given(found, command);
          const output = { json: json === true, quiet: quiet === true, dryRun: dryRun === true };
          asked = { command, settings, output };
        },
      );
    const { usage, describe } = INDEX[name];
    if (within.length === 0) add(parser, name, usage);
    // The command itself is one of those within it: so the others do not inherit its flags.
    else
      parser.command(name, describe, (inner) => {
        for (const command of within) add(inner, command, INDEX[command].usage);
        return add(inner, name, usage.replace(name, '$0'));
      });
  }
  await parser
    .completion(COMPLETION.usage, COMPLETION.describe)
    .strict()
    // A flag that comes twice is then seen to.
    .parserConfiguration({ 'duplicate-arguments-array': true, 'dot-notation': false })
    .version(packageVersion())
    .help()
    .alias('help', 'h')
    .wrap(100)
    .exitProcess(false)
    .fail((message, error, help) => {
      // What yargs itself finds wrong comes as a message or as an error of its own.
      if (error && error.name !== 'YError') throw error;
      throw new InputError(explained(message ?? error.message, String(help.help()), flags));
    })
    .parseAsync();
  return asked;
}

/**
 * Prints what can be asked without a command.
 * @throws InputError if a command is missing or unknown
 */
function printTop(args: readonly string[]): null {
  const typed = args.find((arg) => !arg.startsWith('-'));
  if (typed !== undefined)
    throw new InputError(
      `no command "${typed}"; see orthoscope --help${didYouMean(typed, [...OUTER, COMPLETION.usage])}`,
    );
  const asked = (...flags: string[]) => args.some((arg) => flags.includes(arg));
  if (!asked('--help', '-h', '--version')) throw new InputError('name a command; see orthoscope --help');
  process.stdout.write(`${asked('--version') ? packageVersion() : overview()}\n`);
  return null;
}

/** What yargs found wrong, with what was missing or meant. */
function explained(found: string, help: string, flags: readonly string[]): string {
  // From the first line of the help: `orthoscope sweep status <folder>`.
  const [, command, need] = /^orthoscope (.+?) (<.+>)/.exec(help) ?? [];
  if (/^Not enough non-option arguments/.test(found) && need)
    return `${command}: ${need} is missing; see --help`;
  // A flag comes in both its spellings.
  const [, unknown] = /^Unknown arguments?: ([^,]+)/.exec(found) ?? [];
  if (unknown === undefined) return `${found}; see --help`;
  const name = unknown.replace(/^no-/, '');
  if (flags.includes(name)) return `--${unknown} must stand behind a command that takes it; see --help`;
  return `unknown argument ${unknown}; see --help${didYouMean(name, flags)}`;
}

/** Says what went wrong, in one line for what the user can put right. */
function conclude(error: unknown): number {
  if (error instanceof InterruptedError) {
    process.stderr.write(`${error.message}\n`);
    return 130;
  }
  if (error instanceof InputError) {
    process.stderr.write(`orthoscope: ${error.message}\n`);
    return 2;
  }
  process.stderr.write(
    printable(`orthoscope: a fault of ours: ${error instanceof Error ? error.stack : String(error)}\n`),
  );
  return 1;
}
