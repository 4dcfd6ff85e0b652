/** Tokenizers that the task tests run over: the embedded model's, odd ones made on the spot, and real ones. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTokenizer, type Tokenizer } from '../../src/formats/tokenizer.js';
import { TASKS } from '../../src/tasks/tasks.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { wordTokenizer } from '../../src/tasks/word-tokenizer.js';
import { goldenFile, SMOLLM2, type TestData } from './test-data.js';

let gpt2: Promise<Tokenizer> | undefined;

/** Opened once for all that a file tests with it. */
export function openGpt2(): Promise<Tokenizer> {
  gpt2 ??= openTokenizer(goldenFile('gpt2-tokenizer'));
  return gpt2;
}

interface Case extends Pick<TestData, 'missing'> {
  title: string;
  open: () => Promise<Tokenizer>;
}

/** Every word of every task. */
const vocabulary = taskVocabulary(TASKS);

/** The tokenizers for which all tasks can be set. */
export const CASES: Case[] = [
  { title: 'whole words', missing: null, open: () => openWordTokenizer(vocabulary) },
  { title: 'pieces of words', missing: null, open: openPieceTokenizer },
  { title: 'GPT-2', missing: null, open: openGpt2 },
  { title: 'SmolLM2', missing: SMOLLM2.missing, open: () => openTokenizer(SMOLLM2.path) },
];

/** The embedded model's kind of tokenizer with a vocabulary of one's own. */
export function openWordTokenizer(words: readonly string[]): Promise<Tokenizer> {
  return openDefinition(wordTokenizer(words));
}

/** Cuts numbers by threes, as some large models' tokenizers do: 1741 is 174|1. */
export function openThreeDigitTokenizer(): Promise<Tokenizer> {
  const numbers = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));
  const words = [...vocabulary, ...numbers, ...'0123456789'];
  return openDefinition({
    ...wordTokenizer([...new Set(words)]),
    pre_tokenizer: splitBy("[0-9]{1,3}|[A-Za-z]+(?:'[a-z]+)?|[^\\sA-Za-z0-9]"),
  });
}

/** Cuts years into digits and words of more than five letters into two or more tokens. */
function openPieceTokenizer(): Promise<Tokenizer> {
  return openPatternTokenizer("[0-9]| ?[A-Za-z']{1,5}|[^A-Za-z0-9]");
}

/** Every space is a token of its own, so that all words begin alike. */
export function openSpaceTokenizer(): Promise<Tokenizer> {
  return openPatternTokenizer("[0-9]|[A-Za-z']+|[^A-Za-z0-9]");
}

/** Every word takes the space behind it into its token. */
export function openReachingTokenizer(): Promise<Tokenizer> {
  const words = vocabulary.flatMap((word) => [word, `${word} `]);
  return openDefinition({ ...wordTokenizer(words), pre_tokenizer: splitBy("[A-Za-z']+ ?|[^A-Za-z]") });
}

/** A tokenizer that cuts text by the pattern and knows every piece that the tasks hold. */
function openPatternTokenizer(pattern: string): Promise<Tokenizer> {
  const texts = vocabulary.flatMap((word) => [word, ` ${word}`]);
  const pieces = texts.flatMap((text) => text.match(new RegExp(pattern, 'g'))!);
  return openDefinition({
    ...wordTokenizer([...new Set([' ', '\n', ...pieces])]),
    pre_tokenizer: splitBy(pattern),
  });
}

function splitBy(pattern: string) {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Removed', invert: true };
}

async function openDefinition(definition: object): Promise<Tokenizer> {
  const folder = mkdtempSync(join(tmpdir(), 'orthoscope-tokenizer-'));
  try {
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(definition));
    return await openTokenizer(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
