import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { builtFile } from '../../src/built-file.js';
import { InputError } from '../../src/errors.js';
import { openTokenizer, type Tokenizer } from '../../src/formats/tokenizer.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { describeWith, goldenFile, SMOLLM2, TINY_STORIES } from '../support/test-data.js';
import { wordLevelFolder } from '../support/word-level-folder.js';

const folder = temporaryFolder();
const GPT2 = goldenFile('gpt2-tokenizer');

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

describe('a word-level tokenizer', () => {
  const WORDS = ['<unk>', '<s>', 'the', 'cat', 'sat', '.', 'a'];
  const open = (
    changes: object = {},
    config: object | null = null,
    bos?: 'always' | 'never',
  ): Promise<Tokenizer> => openTokenizer(wordLevelFolder(folder, WORDS, changes, config), { bos });

  it('maps words to ids and back', async () => {
    const tokenizer = await open();
    expect(tokenizer.encode('the cat sat.')).toEqual([2, 3, 4, 5]);
    expect(tokenizer.size).toBe(7);
    expect(tokenizer.addsBos).toBe(false);
    expect(tokenizer.decode([2, 3])).toBe('the cat');
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.token(3)).toBe(' cat');
    expect(tokenizer.token(7)).toBe('<no token 7>');
    expect(tokenizer.token(-1)).toBe('<no token -1>');
    expect(tokenizer.encode('')).toEqual([]);
  });

  it('gives the unknown token for words it lacks, whatever tokenizer_config.json says', async () => {
    for (const config of [null, {}, { unk_token: 'the' }]) {
      const tokenizer = await open({}, config);
      expect(tokenizer.unknownId).toBe(0);
      expect(tokenizer.encode('the dog')).toEqual([2, 0]);
    }
  });

  it('says so where it has no unknown token', async () => {
    const tokenizer = await open({
      model: { type: 'WordLevel', vocab: { the: 0, a: 1 }, unk_token: '<none>' },
    });
    expect(tokenizer.unknownId).toBe(null);
    expect(() => tokenizer.encode('the dog')).toThrow(/tokenizer\.json: .*Missing \[UNK\] token/);
    expect(() => tokenizer.encode('the dog')).toThrow(InputError);
  });

  it('counts to the highest id, over holes', async () => {
    const tokenizer = await open({
      model: { type: 'WordLevel', vocab: { the: 0, a: 41 }, unk_token: 'the' },
    });
    expect(tokenizer.size).toBe(42);
  });

  const template = {
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
  };
  const closing = structuredClone(template);
  closing.post_processor.single.push({ SpecialToken: { id: '.', type_id: 0 } });

  it.each<[string, object, object | null, 'always' | 'never' | undefined, number[]]>([
    ['nothing asks for it', {}, null, undefined, [3]],
    ['the post-processor does', template, null, undefined, [1, 3]],
    ['the post-processor does, and closes the text', closing, null, undefined, [1, 3]],
    ['add_bos_token alone does', {}, { add_bos_token: true, bos_token: '<s>' }, undefined, [3]],
    ['add_bos_token alone does not', template, { add_bos_token: false }, undefined, [1, 3]],
    ['its class never does', template, { tokenizer_class: 'GPTNeoXTokenizerFast' }, undefined, [3]],
    [
      'its class always does',
      {},
      { tokenizer_class: 'CodeLlamaTokenizer', bos_token: '<s>' },
      undefined,
      [1, 3],
    ],
    ['the caller wants it', {}, { bos_token: '<s>' }, 'always', [1, 3]],
    ['the caller wants it, in long form', {}, { bos_token: { content: '<s>' } }, 'always', [1, 3]],
    ['the caller wants it where it is', template, null, 'always', [1, 3]],
    ['the caller does not', template, { add_bos_token: true, bos_token: '<s>' }, 'never', [3]],
  ])('begins a text as it should where %s', async (_, changes, config, bos, ids) => {
    const tokenizer = await open(changes, config, bos);
    expect(tokenizer.encode('cat')).toEqual(ids);
    expect(tokenizer.addsBos).toBe(ids.length > 1);
    expect(tokenizer.encodeBare('cat')).toEqual([3]);
    expect(tokenizer.continuation('the cat', ' sat')).toEqual([4]);
    expect(tokenizer.encode('')).toEqual(ids.slice(0, -1));
  });

  it('says so where a beginning is asked for and none is known', async () => {
    await expect(open({}, null, 'always')).rejects.toThrow(/names none that the vocabulary has/);
    await expect(open({}, { bos_token: '<bos>' }, 'always')).rejects.toThrow(InputError);
  });

  it.each([
    [
      { tokenizer_class: 'LlamaTokenizerFast' },
      'without a beginning-of-text token, as transformers 5 has it',
    ],
    [{ tokenizer_class: 'LlamaTokenizerFast', add_bos_token: false }, 'without a beginning-of-text token'],
    [{ tokenizer_class: 'GPT2Tokenizer', add_bos_token: true }, 'without a beginning-of-text token'],
    [{ tokenizer_class: 'GPTNeoXTokenizer', add_bos_token: true }, 'transformers 4 begins them with one'],
  ])('says of %j where transformers 4 and 5 differ', async (config, words) => {
    const { bosNote } = await open({}, { bos_token: '<s>', ...config });
    expect(bosNote).toContain(words);
    expect(bosNote.includes('transformers')).toBe(words.includes('transformers'));
  });

  it('refuses a template that names a token it does not describe', async () => {
    const broken = structuredClone(template);
    broken.post_processor.special_tokens = {} as never;
    await expect(open(broken)).rejects.toThrow(/post_processor does not describe "<s>"/);
  });

  it('refuses half a character, which would become another one on the way', async () => {
    const tokenizer = await open();
    expect(() => tokenizer.encode('the \ud83d cat')).toThrow(/half a character/);
    expect(tokenizer.encode('the 🙂 cat')).toEqual([2, 0, 3]);
  });

  it('refuses tokens that change from time to time', async () => {
    const model = { type: 'BPE', dropout: 0.1, vocab: { a: 0 }, merges: [] };
    await expect(open({ model })).rejects.toThrow(/"dropout" is 0.1/);
  });
});

describe('a file that breaks the library down', () => {
  const split = (pattern: string) => ({
    pre_tokenizer: { type: 'Split', pattern: { Regex: pattern }, behavior: 'Removed', invert: false },
  });

  it('is refused when it is opened', async () => {
    const damaged = { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } };
    const error = await openTokenizer(wordLevelFolder(folder, ['a'], damaged, null)).catch((e) => e);
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(/tokenizer\.json: the tokenizers library broke down: .*charsmap/);
  });

  it('is refused at the text that it happens on, and others go on', async () => {
    const tokenizer = await openTokenizer(wordLevelFolder(folder, ['a', 'b'], split('(a+)+$'), null));
    const other = await openTokenizer(wordLevelFolder(folder, ['b', 'a'], {}, null));
    expect(() => tokenizer.encode(`${'a'.repeat(40)}b`)).toThrow(InputError);
    expect(tokenizer.encode('b')).toEqual([1]);
    expect(other.encode('b')).toEqual([0]);
  });
});

describe('texts encoded ahead', () => {
  it('have the ids that they have one by one, and are refused where they are refused', async () => {
    const ids = (tokenizer: Tokenizer, text: string): number[] | string => {
      try {
        return tokenizer.encode(text);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        return (error as InputError).message;
      }
    };
    const ahead = await openTokenizer(GPT2);
    const alone = await openTokenizer(GPT2);
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 8 }), { maxLength: 20 }), (texts) => {
        const odd = [...texts, 'half \ud83d', 'a'.repeat(3000)];
        ahead.encodeAhead(odd);
        for (const text of odd) expect(ids(ahead, text)).toEqual(ids(alone, text));
      }),
      { numRuns: 20 },
    );
  });

  it('leave out the one that the library refuses', async () => {
    const model = { type: 'WordLevel', vocab: { the: 0, a: 1 }, unk_token: '<none>' };
    const tokenizer = await openTokenizer(wordLevelFolder(folder, [], { model }, null));
    tokenizer.encodeAhead(['the a', 'the dog', 'a']);
    expect(() => tokenizer.encode('the dog')).toThrow(/Missing \[UNK\] token/);
    expect([tokenizer.encode('the a'), tokenizer.encode('a')]).toEqual([[0, 1], [1]]);
  });

  it('leave out the one that breaks the library down', async () => {
    const stuck = `${'a'.repeat(40)}b`;
    const pattern = {
      pre_tokenizer: {
        type: 'Split',
        pattern: { Regex: '(a+)+$' },
        behavior: 'Removed',
        invert: false,
      },
    };
    const tokenizer = await openTokenizer(wordLevelFolder(folder, ['a', 'b'], pattern, null));
    tokenizer.encodeAhead(['b', stuck]);
    expect(() => tokenizer.encode(stuck)).toThrow(InputError);
    expect(tokenizer.encode('b')).toEqual([1]);
  });

  it('are not forgotten before they are asked for, and do not pile up', async () => {
    const tokenizer = await openTokenizer(wordLevelFolder(folder, ['a', 'b'], {}, null));
    const before = process.memoryUsage().heapUsed;
    for (let round = 0; round < 8; round++)
      tokenizer.encodeAhead(Array.from({ length: 1000 }, (_, i) => `${'a '.repeat(900)}b ${round} ${i}`));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(150e6);
    expect(tokenizer.encode(`${'a '.repeat(900)}b 7 0`).slice(-3)).toEqual([
      1,
      expect.any(Number),
      expect.any(Number),
    ]);
  });
});

const KINDS: {
  kind: string;
  definition: object;
  cases: { text: string; ids: number[]; decoded: string }[];
}[] = json(goldenFile('tokenizers/kinds.json'));

describe("Python's ids and texts", () => {
  it.each(KINDS)('$kind', async ({ definition, cases }) => {
    const place = join(folder, 'kind');
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'tokenizer.json'), JSON.stringify(definition));
    const tokenizer = await openTokenizer(place);
    for (const { text, ids, decoded } of cases) {
      expect(tokenizer.encodeBare(text), text).toEqual(ids);
      expect(tokenizer.decode(ids), text).toBe(decoded);
    }
  });

  const CASES = readdirSync(goldenFile('cases'), { recursive: true, encoding: 'utf8' })
    .filter((path) => basename(path) === 'tokenizer.json')
    .map((path) => dirname(path))
    .filter((path) => json(join(goldenFile('cases'), path, 'truth.json')).cases);
  it.each(CASES)('%s', async (path) => {
    const place = join(goldenFile('cases'), path);
    const tokenizer = await openTokenizer(place);
    const { cases }: { cases: { text: string; bare: number[]; full?: number[] }[] } = json(
      join(place, 'truth.json'),
    );
    expect(cases.length).toBeGreaterThan(0);
    for (const { text, bare, full } of cases) {
      expect(tokenizer.encodeBare(text), text).toEqual(bare);
      if (full) expect(tokenizer.encode(text), text).toEqual(full);
    }
  });

  it('on random Unicode, over tokenizers that Python trains (the short form of bench/tokenizers.ts)', ({
    skip,
  }) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [builtFile('bench/tokenizers.js'), '--strings', '1000', '--trained', '18', '--each', '200', GPT2],
      { encoding: 'utf8' },
    );
    if (status === 3) skip(stdout.trim());
    expect(stdout, stderr).toMatch(/all equal$/m);
    expect(status).toBe(0);
  });
});

it('refuses two answers to how texts begin', async () => {
  const place = join(folder, 'prefix-space');
  cpSync(GPT2, place, { recursive: true });
  const config = { tokenizer_class: 'GPT2Tokenizer', add_prefix_space: true };
  writeFileSync(join(place, 'tokenizer_config.json'), JSON.stringify(config));
  await expect(openTokenizer(place)).rejects.toThrow(/"add_prefix_space" is false, but true in/);
});

describe('a folder without a usable tokenizer', () => {
  const open = (text: string): Promise<Tokenizer> => {
    const broken = join(folder, 'broken');
    mkdirSync(broken, { recursive: true });
    writeFileSync(join(broken, 'tokenizer.json'), text);
    return openTokenizer(broken);
  };

  it.each([
    ['', /tokenizer\.json: not valid JSON/],
    ['[]', /expected a JSON object/],
    ['{}', /has no "model"; is it a tokenizer\?/],
    ['{"model":{}}', /tokenizer\.json: .*did not match any variant/],
    ['{"model":null}', /has no "model"/],
  ])('refuses %j', async (text, message) => {
    const error: Error = await open(text).then(
      () => expect.fail('accepted'),
      (caught) => caught,
    );
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
  });

  it('says which file is missing or damaged', async () => {
    await expect(openTokenizer(join(folder, 'none'))).rejects.toThrow(/none.tokenizer\.json: no such file/);
    const damaged = wordLevelFolder(folder, ['a'], {}, null);
    writeFileSync(join(damaged, 'tokenizer_config.json'), '{');
    await expect(openTokenizer(damaged)).rejects.toThrow(/tokenizer_config\.json: not valid JSON/);
  });
});

describe("GPT-2's tokenizer", () => {
  it('gives the golden ids', async () => {
    const tokenizer = await openTokenizer(GPT2);
    const golden: { text: string; ids: number[] }[] = json(join(GPT2, 'ids.json'));
    expect(golden.length).toBeGreaterThan(0);
    for (const { text, ids } of golden) {
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(text);
    }
    expect(tokenizer.size).toBe(50257);
    expect(tokenizer.addsBos).toBe(false);
    expect(tokenizer.unknownId).toBe(null);
  });

  it('continues prompts', async () => {
    const tokenizer = await openTokenizer(GPT2);
    expect(tokenizer.continuation('John gave a drink to', ' Mary')).toEqual([5335]);
    expect(tokenizer.continuation('from the year 1741 to the year 17', '42')).toEqual([3682]);
    // "cat" is one token, so the border goes through it: the prompt keeps its tokens, the text gets its own.
    expect(tokenizer.continuation('The ca', 't sat')).toEqual(tokenizer.encodeBare('t sat'));
    expect(tokenizer.continuation('', ' he')).toEqual([339]);
    expect(tokenizer.continuation('So', '')).toEqual([]);
    expect(tokenizer.token(339)).toBe(' he');
    expect(tokenizer.token(50256)).toBe('<|endoftext|>');
    // The first byte of a character of several: shown as the vocabulary spells it.
    expect(tokenizer.token(tokenizer.encode('🙀')[0]!)).not.toContain('\uFFFD');
  });

  it('has no beginning-of-text token to give', async () => {
    await expect(openTokenizer(GPT2, { bos: 'always' })).rejects.toThrow(InputError);
  });
});

describeWith(TINY_STORIES, 'the TinyStories tokenizer', () => {
  it('begins with its token as its configuration says', async () => {
    const tokenizer = await openTokenizer(TINY_STORIES.path);
    const { cases }: { cases: { name: string; tokens: number[] }[] } = json(
      join(TINY_STORIES.path, 'expected.json'),
    );
    const texts = cases.filter(({ name }) => name === 'Once upon a time');
    expect(texts).toHaveLength(1);
    for (const { name, tokens } of texts) expect(tokenizer.encode(name)).toEqual(tokens);
    expect(tokenizer.addsBos).toBe(true);
    expect((await openTokenizer(TINY_STORIES.path, { bos: 'never' })).encode('Once upon a time')[0]).not.toBe(
      1,
    );
  });

  it('continues a prompt with one space, not with two', async () => {
    const tokenizer = await openTokenizer(TINY_STORIES.path);
    const prompt = 'He saw a';
    for (const word of [' big dog', ' cat', ' ball']) {
      const ids = tokenizer.continuation(prompt, word);
      expect(tokenizer.decode([...tokenizer.encode(prompt).slice(1), ...ids])).toBe(prompt + word);
    }
  });
});

describeWith(SMOLLM2, "SmolLM2's tokenizer", () => {
  it('gives the golden ids', async () => {
    const tokenizer = await openTokenizer(SMOLLM2.path);
    const golden: { prompt: string; ids: number[] }[] = json(goldenFile('smollm2-135m/logits.json'));
    expect(golden.length).toBeGreaterThan(0);
    for (const { prompt, ids } of golden) {
      expect(tokenizer.encode(prompt)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(prompt);
    }
    expect(tokenizer.size).toBe(49152);
  });
});
