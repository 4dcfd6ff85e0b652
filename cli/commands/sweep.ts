/** `orthoscope sweep`: many runs from one plan, on this machine or over a queue; their table and their stability. */
import { basename, extname, join, resolve } from 'node:path';
import type { Argv, CommandModule, Options } from 'yargs';
import { InputError, InterruptedError } from '../../src/errors.js';
import { formatByteSize } from '../../src/formats/byte-size.js';
import { MOST_THREADS } from '../../src/pool/threads.js';
import { duration } from '../../src/report/figures.js';
import { parseShard } from '../../src/shard.js';
import {
  dryRun,
  type SweepSettings,
  sweepCommand as sweepAll,
  sweepStatus,
} from '../../src/sweep/commands.js';
import { type RunRow, readResults } from '../../src/sweep/results.js';
import { stability } from '../../src/sweep/stability.js';
import { SUMMARY_DEFAULTS, summarise } from '../../src/sweep/summary.js';
import { SweepFolder } from '../../src/sweep/sweep-folder.js';
import { componentTable, settingName, stabilityTable, summaryTable } from '../../src/sweep/table.js';
import { type Context, inContext } from '../context.js';
import { type Flags, redisFlag, redisUrl, runsMemory, whole } from '../options.js';
import { headline, runLine, SweepView } from '../sweep-view.js';

const sweepFlags = {
  ...redisFlag,
  local: { type: 'boolean', default: false, describe: 'On this machine, though ORTHOSCOPE_REDIS is set' },
  shard: { type: 'string', describe: 'Only part i of n of the plan, e.g. 2/4' },
  jobs: { type: 'number', describe: 'Most runs at once (one a core by default)' },
  memory: {
    type: 'string',
    describe: 'What all runs together may use, e.g. 12GB (nine tenths of what is free)',
  },
  store: { type: 'string', describe: 'Folder of stored decompositions (in the cache by default)' },
  'dry-run': {
    type: 'boolean',
    default: false,
    describe: 'Only say what would be done, and what it would cost',
  },
} as const satisfies Record<string, Options>;

const status: CommandModule<object, Flags> = {
  command: 'status <folder>',
  describe: 'How far a sweep is',
  builder: (yargs) => yargs.positional('folder', { type: 'string', describe: 'Folder of the sweep' }),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const state = await sweepStatus(new SweepFolder(flags.folder as string));
      const { progress, failures } = state;
      const lines = progress ? [headline(progress), ...progress.running.map(runLine)] : [];
      lines.push(`${state.complete} complete run folders`);
      lines.push(...state.damaged.map(({ error }) => `damaged: ${error}`));
      lines.push(...failures.map(({ id, error, attempts }) => `failed ${id} (${attempts}×): ${error}`));
      context.result(state, lines.join('\n'));
    }),
};

const resume: CommandModule<object, Flags> = {
  command: 'resume <folder>',
  describe: 'Go on with a sweep, by the plan in its folder',
  builder: (yargs) =>
    yargs.positional('folder', { type: 'string', describe: 'Folder of the sweep' }).options(sweepFlags),
  handler: (flags) =>
    inContext(flags, (context) => {
      const folder = flags.folder as string;
      return start(flags, join(folder, 'plan.yaml'), folder, context);
    }),
};

const table: CommandModule<object, Flags> = {
  command: 'table <folders..>',
  describe: 'Mean, deviation and interval over seeds of every setting, and the front of KL against size',
  builder: (yargs) => withFolders(yargs),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const summaries = await summarise(await readSweeps(flags, context));
      context.result({ schema_version: 1, settings: summaries }, summaryTable(summaries));
    }),
};

const stable: CommandModule<object, Flags> = {
  command: 'stability <folders..>',
  describe: 'Whether seeds find the same directions: overlap between masks, against chance',
  builder: (yargs) => withFolders(yargs),
  handler: (flags) =>
    inContext(flags, async (context) => {
      const found = await stability(await readSweeps(flags, context), SUMMARY_DEFAULTS);
      const parts = found.map((entry) => `${settingName(entry, found)}\n${componentTable(entry)}`);
      context.result(
        { schema_version: 1, settings: found },
        [stabilityTable(found), ...(found.length > 0 ? ['By component:', ...parts] : [])].join('\n\n'),
      );
    }),
};

export const sweepCommand: CommandModule<object, Flags> = {
  command: 'sweep [plan]',
  describe: 'Many runs from one plan: seeds, tasks, ablations',
  builder: (yargs) =>
    yargs
      .command(status)
      .command(resume)
      .command(table)
      .command(stable)
      .positional('plan', { type: 'string', describe: 'YAML file (docs/sweeps.md)' })
      .options({ out: { type: 'string', describe: "Folder of the sweep (sweeps/ and the plan's name)" } })
      .options(sweepFlags),
  handler: (flags) =>
    inContext(flags, (context) => {
      if (typeof flags.plan !== 'string') throw new InputError('no plan: give a YAML file (docs/sweeps.md)');
      const { plan } = flags;
      const out = (flags.out as string | undefined) ?? join('sweeps', basename(plan, extname(plan)));
      return start(flags, plan, out, context);
    }),
};

async function start(flags: Flags, plan: string, out: string, context: Context): Promise<void> {
  if (flags.local === true && flags.redis !== undefined)
    throw new InputError('--local is for this machine; leave out --redis');
  const settings: SweepSettings = {
    plan,
    out,
    redis: flags.local === true ? null : redisUrl(flags),
    shard: flags.shard === undefined ? null : parseShard(String(flags.shard), '--shard'),
    jobs: flags.jobs === undefined ? null : whole(flags.jobs, 'jobs', 1, MOST_THREADS),
    memory: runsMemory(flags),
    store: flags.store === undefined ? null : resolve(flags.store as string),
  };
  if (flags.dryRun === true) {
    const { runs, prediction } = await dryRun(settings, context);
    const lines = runs.map(
      ({ id, label, complete }) => `${id}  ${complete ? 'complete' : 'to do   '}  ${label}`,
    );
    const { seconds, memory, at_once, measured } = prediction;
    lines.push(
      '',
      `about ${duration(seconds)} on this machine, ${at_once} at once, ${formatByteSize(memory)} of memory ` +
        `(${measured ? 'time from runs of this sweep' : 'a guess: nothing was measured yet'})`,
    );
    context.result({ runs, prediction }, lines.join('\n'));
    return;
  }
  const view = new SweepView(flags.quiet === true);
  try {
    const listener = { ...context, onNote: view.note, onState: view.show };
    const { outcome, summaries } = await sweepAll(settings, listener);
    view.clear();
    const { total, complete, failures } = outcome;
    const failed = failures.length > 0 ? `, ${failures.length} failed: see ${join(out, 'failed')}` : '';
    context.result(
      { folder: out, ...outcome, settings: summaries },
      `${summaryTable(summaries)}\n\n${complete} of ${total} runs complete${failed}\nresults  ${join(out, 'sweep.json')}`,
    );
    if (failures.length > 0) process.exitCode = 1;
  } catch (error) {
    if (error instanceof InterruptedError)
      throw new InterruptedError(`interrupted; orthoscope sweep resume ${out} goes on`);
    throw error;
  } finally {
    view.clear();
  }
}

function withFolders(yargs: Argv): Argv<Flags> {
  return yargs.positional('folders', {
    type: 'string',
    array: true,
    describe: 'Folders of sweeps, or of the shards of one',
  }) as Argv<Flags>;
}

/** The results of the folders that were named; what cannot be read of them is remarked on, never left out in silence. */
async function readSweeps(flags: Flags, { onNote }: Context): Promise<RunRow[]> {
  const folders = (flags.folders as string[]).map((folder) => new SweepFolder(folder));
  for (const folder of folders) {
    folder.mustExist();
    for (const { error } of await folder.damaged()) onNote?.(`left out: ${error}`);
  }
  return readResults(folders);
}
