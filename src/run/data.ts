/** The prompt pairs that a command works on: a task made for the model's tokenizer, or the user's own files. */
import { InputError } from '../errors.js';
import type { Manifest } from '../formats/manifest.js';
import { readPromptPairs } from '../formats/prompt-pairs.js';
import { encodePairs, hashPairs, type TokenPair } from '../formats/token-pairs.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { Random } from '../random.js';
import { reportLines } from '../tasks/report.js';
import { SPLITS, type Split, type SplitCounts } from '../tasks/splits.js';
import { generateTask, taskNamed } from '../tasks/tasks.js';
import type { Subject } from './subject.js';

export interface DataRequest {
  /** A task to generate; or else `data`. */
  task?: string;
  /** A file of prompt pairs. */
  data?: string;
  /** Files for the other two splits. */
  validation?: string;
  test?: string;
  /** Ids of the task's templates to use; all where absent. */
  templates?: string[];
  /** Id of the task's corruption; the paper's where absent. */
  corruption?: string;
  /** Sizes of a generated task's splits; the paper's where absent. */
  counts?: Partial<SplitCounts>;
  /** Generated pairs have clean and corrupted prompts of equal length. */
  aligned: boolean;
  seed: number;
}

/** A data file that comes alone is cut by these shares, in a seeded order. */
const SHARES: Record<Split, number> = { train: 0.7, validation: 0.15, test: 0.15 };

export interface RunData {
  /** The task's name, or the file's. */
  name: string;
  splits: Partial<Record<Split, TokenPair[]>>;
  /** For the manifest. */
  described: Manifest['data'];
  /** What to tell the user: what was kept and dropped. */
  notes: string[];
}

/**
 * @param wanted splits that the command needs
 * @throws InputError if neither a task nor a file is named, both are, or a file is wrong
 */
export async function loadData(
  subject: Subject,
  request: DataRequest,
  wanted: readonly Split[],
): Promise<RunData> {
  const { task, data } = request;
  if (task !== undefined && data !== undefined)
    throw new InputError('--task and --data are both given; choose one');
  if (task !== undefined) return taskData(subject, task, request, wanted);
  if (data === undefined) throw new InputError('no prompts: give --task NAME or --data FILE');
  return fileData(subject, data, request, wanted);
}

function taskData(subject: Subject, name: string, request: DataRequest, wanted: readonly Split[]): RunData {
  const { tokenizer } = subject;
  taskNamed(name);
  if (!tokenizer)
    throw new InputError(
      `${subject.source.folder}: no tokenizer.json, which the task "${name}" needs; give --data with token ids`,
    );
  const { counts, aligned, seed, templates, corruption } = request;
  const generated = generateTask(name, { tokenizer, seed, counts, aligned, templates, corruption });
  const splits: RunData['splits'] = {};
  for (const split of wanted) splits[split] = encode(subject, generated.splits[split]);
  const notes = [...reportLines(generated.report), bosNote(tokenizer)];
  return finish(name, splits, () => `task ${name}, seed ${seed}`, notes);
}

async function fileData(
  subject: Subject,
  path: string,
  request: DataRequest,
  wanted: readonly Split[],
): Promise<RunData> {
  let text = false;
  const read = async (file: string) => {
    const pairs = await readPromptPairs(file);
    text ||= pairs.some(({ clean }) => typeof clean === 'string');
    return encode(subject, pairs, file);
  };
  const own = await read(path);
  const { validation, test, seed } = request;
  const splits: RunData['splits'] = {};
  const sources: Partial<Record<Split, string>> = {};
  const notes: string[] = [];
  if (validation !== undefined)
    [splits.validation, sources.validation] = [await read(validation), validation];
  if (test !== undefined) [splits.test, sources.test] = [await read(test), test];
  const missing = SPLITS.filter((split) => wanted.includes(split) && !splits[split]);
  if (missing.length === 1) splits[missing[0]!] = own;
  else {
    Object.assign(splits, cut(own, missing, seed, path));
    notes.push(
      `${path} cut by seed ${seed}: ${missing.map((split) => `${split} ${splits[split]!.length}`).join(', ')}`,
    );
  }
  if (text && subject.tokenizer) notes.push(bosNote(subject.tokenizer));
  return finish(path, splits, (split) => sources[split] ?? path, notes);
}

/** Cuts pairs among splits by their shares; every split gets at least one. */
function cut(
  pairs: TokenPair[],
  splits: Split[],
  seed: number,
  path: string,
): Partial<Record<Split, TokenPair[]>> {
  if (pairs.length < splits.length)
    throw new InputError(
      `${path}: ${pairs.length} pairs cannot be cut into ${splits.join(', ')}; add pairs, or give --validation and --test files`,
    );
  const order = new Random(seed).fork('split').shuffle([...pairs]);
  const shares = splits.reduce((sum, split) => sum + SHARES[split], 0);
  const result: Partial<Record<Split, TokenPair[]>> = {};
  let from = 0;
  splits.forEach((split, at) => {
    const left = splits.length - at - 1;
    const size = left === 0 ? order.length - from : Math.round((order.length * SHARES[split]) / shares);
    const to = Math.min(from + Math.max(1, size), order.length - left);
    result[split] = order.slice(from, to);
    from = to;
  });
  return result;
}

/** Whether a beginning-of-text token is there decides what the model sees, so it is said. */
function bosNote({ addsBos }: Tokenizer): string {
  return `prompts begin ${addsBos ? 'with' : 'without'} a beginning-of-text token`;
}

function encode(
  { model, tokenizer }: Subject,
  pairs: Parameters<typeof encodePairs>[0],
  source?: string,
): TokenPair[] {
  return encodePairs(pairs, tokenizer, model.architecture, source);
}

function finish(
  name: string,
  splits: RunData['splits'],
  source: (split: Split) => string,
  notes: string[],
): RunData {
  const described = Object.fromEntries(
    Object.entries(splits).map(([split, pairs]) => [
      split,
      { source: source(split as Split), pairs: pairs.length, hash: hashPairs(pairs) },
    ]),
  );
  return { name, splits, described, notes };
}
