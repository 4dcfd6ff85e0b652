/**
 * Token ids and decoded texts against Python's tokenizers, on random Unicode: `node dist/bench/tokenizers.js
 * [--strings N] [--trained N] [--each N] [--seed N] [FOLDER…]`, after `npm run build`. N strings over each folder, the
 * embedded model's first; `--each` of them over each of `--trained` tokenizers that Python trains for this, of every
 * kind that the library has. Exit code 1 if one differs, 3 if there is no Python that can be made ready.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '../src/formats/cache-folder.js';
import { openTokenizer } from '../src/formats/tokenizer.js';
import { packageFile } from '../src/package-file.js';
import { Random } from '../src/random.js';

const VERSION = '0.23.3';

const SPACES = [
  ' ',
  ' ',
  ' ',
  '  ',
  '\n',
  '\t',
  '\r\n',
  '\u00a0',
  '\u3000',
  '\u2028',
  '\u0085',
  '\u200b',
  '\ufeff',
  '\v',
];
const ENGLISH =
  "the The and of isn't it's I'LL they've 1st 2nd 3.14 10,000 U.S.A. e-mail f(x) x_1 #tag @you :-) …".split(
    ' ',
  );
/** Ranges with characters that rules of tokenizers ask after: scripts, marks, numbers, symbols, controls, unassigned. */
const RANGES: [number, number][] = [
  [0x00, 0x7f],
  [0x80, 0x24f],
  [0x250, 0x36f],
  [0x370, 0x5ff],
  [0x600, 0x8ff],
  [0x900, 0xdff],
  [0xe00, 0x11ff],
  [0x1e00, 0x20cf],
  [0x2100, 0x218f],
  [0x2460, 0x27bf],
  [0x2e80, 0x30ff],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7ff],
  [0xe000, 0xe0ff],
  [0xf900, 0xffff],
  [0x10000, 0x1ffff],
  [0x20000, 0x2ffff],
  [0x30000, 0x10ffff],
];

const options: Record<string, number> = { strings: 100_000, trained: 64, each: 2000, seed: 0 };
const folders = [packageFile('models/embedded')];
for (let at = 2; at < process.argv.length; at++) {
  const argument = process.argv[at]!;
  if (argument.startsWith('--')) options[argument.slice(2)] = Number(process.argv[++at]);
  else folders.push(argument);
}
const random = new Random(options.seed!);
const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const program = packageFile('bench/peers/tokenizers-python.py');
const python = preparedPython();
if (python === null) {
  console.log(`skipped: no python3 that can make a virtual environment and install tokenizers ${VERSION}`);
  process.exit(3);
}

try {
  let differences = 0;
  for (const folder of folders) differences += await compare(folder, options.strings!);
  const trained = join(scratch, 'trained');
  execFileSync(python, [program, 'train', trained, String(options.trained), String(options.seed)], {
    stdio: ['ignore', 'inherit', 'ignore'],
  });
  for (const name of readdirSync(trained)) differences += await compare(join(trained, name), options.each!);
  console.log(differences === 0 ? 'all equal' : `${differences} differ`);
  if (differences > 0) process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true });
}

/** Python of an environment that is kept in the cache, and made there the first time. */
function preparedPython(): string | null {
  const home = join(cacheFolder(), `python-tokenizers-${VERSION}`);
  const command = join(home, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const ready = (): boolean => {
    if (!existsSync(command)) return false;
    const check = `import tokenizers; assert tokenizers.__version__ == '${VERSION}'`;
    execFileSync(command, ['-c', check], { stdio: 'ignore' });
    return true;
  };
  try {
    if (ready()) return command;
    execFileSync('python3', ['-m', 'venv', home], { stdio: 'ignore' });
    execFileSync(command, ['-m', 'pip', 'install', '--quiet', `tokenizers==${VERSION}`], { stdio: 'ignore' });
    return ready() ? command : null;
  } catch {
    return null;
  }
}

/** @returns how many texts differ; the first three are shown */
async function compare(folder: string, count: number): Promise<number> {
  const file = join(folder, 'tokenizer.json');
  const definition = JSON.parse(readFileSync(file, 'utf8')) as Definition;
  const words = wordsOf(definition);
  const texts = Array.from({ length: count }, () => randomText(words));
  const question = join(scratch, 'question.json');
  writeFileSync(question, JSON.stringify({ tokenizer: file, texts }));
  const answer = execFileSync(python!, [program, 'encode', question], {
    maxBuffer: 2 ** 31 - 1,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const wanted = JSON.parse(answer.toString()) as { ids: (number[] | null)[]; decoded: (string | null)[] };
  const tokenizer = await openTokenizer(folder);
  let differences = 0;
  for (const [i, text] of texts.entries()) {
    const ids = attempt(() => tokenizer.encodeBare(text));
    const decoded = ids && attempt(() => tokenizer.decode(ids));
    const equal = String(ids) === String(wanted.ids[i]) && decoded === emptyAsWanted(wanted, i);
    if (!equal && ++differences <= 3)
      console.log(
        `${JSON.stringify(text)}\n  Python ${wanted.ids[i]} ${JSON.stringify(wanted.decoded[i])}` +
          `\n  here   ${ids} ${JSON.stringify(decoded)}`,
      );
  }
  const refused = wanted.ids.filter((ids) => ids === null).length;
  console.log(
    `${folder.startsWith(scratch) ? describe(definition) : folder}: ${count} texts, ${differences} differ` +
      (refused > 0 ? `, ${refused} refused on both sides` : ''),
  );
  return differences;
}

/** `Tokenizer.decode` gives no text for no ids, where some decoders of the library fail. */
function emptyAsWanted(
  { ids, decoded }: { ids: (number[] | null)[]; decoded: (string | null)[] },
  i: number,
): string | null {
  return ids[i]?.length === 0 ? '' : decoded[i]!;
}

function attempt<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}

interface Definition {
  model: { type: string; vocab: Record<string, number> | [string, number][] };
  normalizer: { type: string } | null;
  pre_tokenizer: { type: string; pretokenizers?: { type: string }[] } | null;
  added_tokens: { content: string }[];
}

function describe({ model, normalizer, pre_tokenizer }: Definition): string {
  const parts = pre_tokenizer?.pretokenizers ?? [pre_tokenizer];
  return [model.type, normalizer?.type, ...parts.map((part) => part?.type)].filter(Boolean).join(' + ');
}

/** Added tokens, each as often as ten others, and some of the vocabulary. */
function wordsOf({ model, added_tokens }: Definition): string[] {
  const vocabulary = Array.isArray(model.vocab)
    ? model.vocab.map(([word]) => word)
    : Object.keys(model.vocab);
  const added = added_tokens.slice(0, 100).map(({ content }) => content);
  return [...random.sample(vocabulary, Math.min(1000, vocabulary.length)), ...Array(10).fill(added).flat()];
}

function randomText(words: readonly string[]): string {
  let text = '';
  for (let piece = 1 + random.integer(8); piece > 0; piece--) text += randomPiece(words);
  return text;
}

function randomPiece(words: readonly string[]): string {
  switch (random.integer(8)) {
    case 0:
      return random.pick(SPACES).repeat(1 + random.integer(3));
    case 1:
      return random.pick(words);
    case 2:
    case 3:
      return random.pick(SPACES) + random.pick(ENGLISH);
    case 4:
      return randomCharacter(random.pick(RANGES)).repeat(1 + random.integer(4));
    case 5:
      return `a${randomCharacter([0x300, 0x36f])}${randomCharacter([0x300, 0x36f])}`;
    case 6:
      return Array.from({ length: 2 + random.integer(3) }, () => randomCharacter([0x1f300, 0x1faff])).join(
        '\u200d',
      );
    default: {
      const range = random.pick(RANGES);
      return Array.from({ length: 1 + random.integer(6) }, () => randomCharacter(range)).join('');
    }
  }
}

function randomCharacter([from, to]: [number, number]): string {
  const code = from + random.integer(to - from + 1);
  // Halves of a pair are no characters.
  return code >= 0xd800 && code <= 0xdfff ? '\ufffd' : String.fromCodePoint(code);
}
