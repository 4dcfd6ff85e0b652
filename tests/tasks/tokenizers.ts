/** Tokenizers that the task tests run over: the embedded model's, odd ones made on the spot, and real ones. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wordTokenizer } from '../../models/word-tokenizer.js';
import { openTokenizer, type Tokenizer } from '../../src/formats/tokenizer.js';
import { taskVocabulary } from '../../src/tasks/vocabulary.js';
import { NO_SMOLLM2, SMOLLM2 } from '../support/smollm2.js';

export const SHARED = new URL('../../../shared/', import.meta.url).pathname;
const GPT2 = join(SHARED, 'data/gpt2-small-partial');
const TINY_STORIES = join(SHARED, 'data/llama-tinystories-656k');

export const openGpt2 = () => openTokenizer(GPT2);

interface Case {
  title: string;
  present: boolean;
  open: () => Promise<Tokenizer>;
}

/** `present` is false where the files are not on this machine: the test then says so and is skipped. */
export const gpt2Case = realCase('GPT-2', GPT2, 'no ../shared/data/gpt2-small-partial');
const smolLm2Case = realCase('SmolLM2', SMOLLM2, NO_SMOLLM2);
export const tinyStoriesCase = realCase(
  'TinyStories',
  TINY_STORIES,
  'no ../shared/data/llama-tinystories-656k',
);

/** The tokenizers for which all three tasks can be set. */
export const CASES: Case[] = [
  { title: 'whole words', present: true, open: () => openWordTokenizer(taskVocabulary()) },
  { title: 'pieces of words', present: true, open: openPieceTokenizer },
  gpt2Case,
  smolLm2Case,
];

function realCase(name: string, folder: string, reason: string): Case {
  const present = existsSync(join(folder, 'tokenizer.json'));
  return {
    title: present ? name : `${name} (skipped: ${reason})`,
    present,
    open: () => openTokenizer(folder),
  };
}

/** The embedded model's kind of tokenizer with a vocabulary of one's own. */
export function openWordTokenizer(words: readonly string[]): Promise<Tokenizer> {
  return openDefinition(wordTokenizer(words));
}

/** Cuts numbers by threes, as some large models' tokenizers do: 1741 is 174|1. */
export function openThreeDigitTokenizer(): Promise<Tokenizer> {
  const numbers = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));
  const words = [...taskVocabulary(), ...numbers, ...'0123456789'];
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
  const words = taskVocabulary().flatMap((word) => [word, `${word} `]);
  return openDefinition({ ...wordTokenizer(words), pre_tokenizer: splitBy("[A-Za-z']+ ?|[^A-Za-z]") });
}

/** A tokenizer that cuts text by the pattern and knows every piece that the tasks hold. */
function openPatternTokenizer(pattern: string): Promise<Tokenizer> {
  const texts = taskVocabulary().flatMap((word) => [word, ` ${word}`]);
  const pieces = texts.flatMap((text) => text.match(new RegExp(pattern, 'g'))!);
  return openDefinition({
    ...wordTokenizer([...new Set([' ', ...pieces])]),
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
