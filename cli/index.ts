/** The commands, by name. What a command does is loaded only when it is done: so that help and completion are quick. */
import type { Command } from '../src/settings/commands.js';
import type { Handler } from './context.js';

interface Listed<Of extends Command> {
  /** As help shows it; of a command within a command without the outer one's name. */
  usage: string;
  describe: string;
  /** Whether it can say what it would do. */
  estimates?: true;
  load(): Promise<Handler<Of>>;
}

export const INDEX: { readonly [Of in Command]: Listed<Of> } = {
  run: {
    usage: 'run [model]',
    describe: 'Decompose, train masks, evaluate against controls, write a report',
    estimates: true,
    load: async () => (await import('./commands/run.js')).run,
  },
  decompose: {
    usage: 'decompose <model>',
    describe: 'Singular directions of every head and MLP matrix, into the store',
    estimates: true,
    load: async () => (await import('./commands/decompose.js')).decompose,
  },
  train: {
    usage: 'train <model>',
    describe: 'Learn masks over all directions jointly',
    estimates: true,
    load: async () => (await import('./commands/train.js')).train,
  },
  evaluate: {
    usage: 'evaluate <run>',
    describe: "Measure a run's masks, or a masks file, with intervals and controls",
    estimates: true,
    load: async () => (await import('./commands/evaluate.js')).evaluate,
  },
  verdict: {
    usage: 'verdict <run>',
    describe: "Test a run's circuit: what may be claimed of it, and what not",
    load: async () => (await import('./commands/verdict.js')).verdict,
  },
  stability: {
    usage: 'stability <runs..>',
    describe: 'What circuits of several runs have in common, and what that does',
    load: async () => (await import('./commands/stability.js')).stability,
  },
  families: {
    usage: 'families <run>',
    describe: 'Prompts that rest on the same directions, and a circuit for each such family',
    load: async () => (await import('./commands/families.js')).families,
  },
  circuit: {
    usage: 'circuit <source>',
    describe: 'A circuit from or for another program: JSON, masks, heads',
    load: async () => (await import('./commands/circuit.js')).circuit,
  },
  compare: {
    usage: 'compare <run>',
    describe: 'Methods that rank directions, side by side: faithfulness against size',
    load: async () => (await import('./commands/compare.js')).compare,
  },
  align: {
    usage: 'align <run>',
    describe: 'Learned subspaces that carry what components do, beside singular directions',
    load: async () => (await import('./commands/align.js')).align,
  },
  report: {
    usage: 'report <run>',
    describe: "Write a run's report.html anew",
    load: async () => (await import('./commands/report.js')).report,
  },
  show: {
    usage: 'show <run> [what]',
    describe: 'A run, component, direction or prompt as a card in the terminal, from files',
    load: async () => (await import('./commands/show.js')).show,
  },
  view: {
    usage: 'view <run>',
    describe: 'The page with an engine behind it: change the circuit, try prompts, save masks',
    load: async () => (await import('./commands/view.js')).view,
  },
  interpret: {
    usage: 'interpret <run>',
    describe: 'What directions write, read and look for, and how much rests on each',
    estimates: true,
    load: async () => (await import('./commands/interpret.js')).interpret,
  },
  trace: {
    usage: 'trace <run>',
    describe: 'One prompt: what its answer is made of, why a head looks where it looks',
    estimates: true,
    load: async () => (await import('./commands/trace.js')).trace,
  },
  heads: {
    usage: 'heads <run>',
    describe: 'Which heads are induction, previous-token, duplicate-token or copying heads',
    estimates: true,
    load: async () => (await import('./commands/heads.js')).heads,
  },
  intervene: {
    usage: 'intervene <run>',
    describe: 'Change directions in place, and measure what that does, next to controls',
    estimates: true,
    load: async () => (await import('./commands/intervene.js')).intervene,
  },
  edges: {
    usage: 'edges <run>',
    describe: 'Which direction writes what another reads, checked by cutting; as graphs, too',
    estimates: true,
    load: async () => (await import('./commands/edges.js')).edges,
  },
  score: {
    usage: 'score [run]',
    describe: 'What directions respond to: statistics and examples over large data sets',
    estimates: true,
    load: async () => (await import('./commands/score.js')).score,
  },
  'score merge': {
    usage: 'merge <shards..>',
    describe: 'Join the folders of all shards to what one run leaves behind',
    load: async () => (await import('./commands/score.js')).merge,
  },
  'score show': {
    usage: 'show <scores>',
    describe: 'The strongest directions of each data set',
    load: async () => (await import('./commands/score.js')).show,
  },
  sweep: {
    usage: 'sweep [plan]',
    describe: 'Many runs from one plan: seeds, tasks, ablations',
    estimates: true,
    load: async () => (await import('./commands/sweep.js')).sweep,
  },
  'sweep status': {
    usage: 'status <folder>',
    describe: 'How far a sweep is',
    load: async () => (await import('./commands/sweep.js')).status,
  },
  'sweep resume': {
    usage: 'resume <folder>',
    describe: 'Go on with a sweep, by the plan in its folder',
    estimates: true,
    load: async () => (await import('./commands/sweep.js')).resume,
  },
  'sweep table': {
    usage: 'table <folders..>',
    describe: 'Mean, deviation and interval over seeds of every setting, and the front of KL against size',
    load: async () => (await import('./commands/sweep.js')).table,
  },
  'sweep stability': {
    usage: 'stability <folders..>',
    describe: 'Whether seeds find the same directions: overlap between masks, against chance',
    load: async () => (await import('./commands/sweep.js')).stability,
  },
  worker: {
    usage: 'worker',
    describe: 'Take runs of sweeps and shards of scorings from a queue (docs/sweeps.md)',
    load: async () => (await import('./commands/worker.js')).worker,
  },
  task: {
    usage: 'task <model>',
    describe: "Write a task's prompt pairs (--task, --out), or check a file (--data)",
    load: async () => (await import('./commands/task.js')).task,
  },
  model: {
    usage: 'model <model>',
    describe: 'What a model folder holds; with --prompt, its tokens and the likeliest next',
    load: async () => (await import('./commands/model.js')).model,
  },
  engine: {
    usage: 'engine',
    describe: 'What can compute here, how fast, and what brings the rest',
    load: async () => (await import('./commands/engine.js')).engine,
  },
  'engine link': {
    usage: 'link',
    describe:
      'Build the native engine against a TensorFlow: one in Python, --from a folder, or fetched with pip',
    load: async () => (await import('./commands/engine.js')).link,
  },
};
