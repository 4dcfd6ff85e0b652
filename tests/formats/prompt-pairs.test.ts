import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { writeParquet } from '../../src/formats/parquet-file.js';
import {
  type PromptPair,
  parseRecord,
  readPromptPairs,
  writePromptPairs,
} from '../../src/formats/prompt-pairs.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const jsonl = join(folder, 'pairs.jsonl');
const csv = join(folder, 'pairs.csv');

async function refusal(path: string, text: string): Promise<string> {
  writeFileSync(path, text);
  const error = await readPromptPairs(path).then(
    () => expect.fail('the file was accepted'),
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(InputError);
  const { message } = error as InputError;
  expect(message.startsWith(path), message).toBe(true);
  expect(message).not.toContain('\n');
  return message.slice(path.length);
}

describe('JSONL', () => {
  const read = async (...lines: (object | string)[]): Promise<PromptPair[]> => {
    writeFileSync(
      jsonl,
      lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
    );
    return readPromptPairs(jsonl);
  };

  it('reads text, with answers in each form', async () => {
    expect(
      await read(
        { clean: 'a', corrupted: 'b', answer: ' c', distractor: ' d', group: 'g', id: 'one' },
        { clean: ' a ', answers: [' c', ' d'], distractors: [' e'] },
        { clean: 'a', answer_id: 0, distractor_ids: [2, 3] },
      ),
    ).toEqual([
      { id: 'one', group: 'g', clean: 'a', corrupted: 'b', answers: [' c'], distractors: [' d'] },
      { id: '2', clean: ' a ', answers: [' c', ' d'], distractors: [' e'] },
      { id: '3', clean: 'a', answers: [0], distractors: [2, 3] },
    ]);
  });

  it('reads what tokens are, by class', async () => {
    const token_classes = { who: [' John', 4], verb: ' gave' };
    const [pair] = await read({ clean: 'a', token_classes });
    expect(pair!.classes).toEqual({ who: [' John', 4], verb: [' gave'] });
    const refused = await refusal(jsonl, JSON.stringify({ clean: 'a', token_classes: ['who'] }));
    expect(refused).toContain('"token_classes": expected an object such as {"verb": " gave"}');
  });

  it('reads token ids', async () => {
    expect(
      await read({ clean_ids: [1, 2], corrupted_ids: [3], answer_ids: [4, 5], distractor_id: 6 }),
    ).toEqual([{ id: '1', clean: [1, 2], corrupted: [3], answers: [4, 5], distractors: [6] }]);
  });

  it('passes over empty lines, counts them, and takes null for nothing', async () => {
    expect(await read('', { clean: 'a', answer: null, id: 5, group: 6 }, '  ', { clean: 'b' }, '')).toEqual([
      { id: '5', group: '6', clean: 'a', answers: [], distractors: [] },
      { id: '4', clean: 'b', answers: [], distractors: [] },
    ]);
  });

  it('takes Windows line ends and a byte order mark', async () => {
    writeFileSync(jsonl, '\uFEFF{"clean":"a"}\r\n{"clean":"b"}\r\n');
    expect((await readPromptPairs(jsonl)).map(({ clean }) => clean)).toEqual(['a', 'b']);
  });

  it.each<[string, unknown, RegExp]>([
    ['no prompt', { answer: 'a' }, /^:2: no prompt; give "clean" as text or "clean_ids"/],
    ['text and ids', { clean: 'a', clean_ids: [1] }, /^:2: "clean" and "clean_ids" exclude each other/],
    [
      'both corrupted',
      { clean: 'a', corrupted: 'a', corrupted_ids: [1] },
      /"corrupted" and "corrupted_ids" exclude/,
    ],
    ['text against ids', { clean: 'a', corrupted_ids: [1] }, /one prompt is text and the other token ids/],
    ['ids against text', { clean_ids: [1], corrupted: 'a' }, /one prompt is text and the other token ids/],
    ['ids answered by text', { clean_ids: [1], answer: 'a' }, /need their answers as ids/],
    [
      'two kinds of answer',
      { clean: 'a', answer: 'b', answer_ids: [1] },
      /"answer" and "answer_ids" exclude/,
    ],
    ['distractor alone', { clean: 'a', distractor: 'b' }, /a distractor without an answer/],
    [
      'unknown column',
      { clean: 'a', clena: 'b' },
      /^:2: unknown column "clena"; known are clean, clean_ids, .*, id\. Say which/,
    ],
    ['column of Object', { clean: 'a', constructor: 'b' }, /unknown column "constructor"/],
    ['empty prompt', { clean: '' }, /^:2: "clean": is empty$/],
    ['no tokens', { clean_ids: [] }, /"clean_ids": is an empty list/],
    ['empty answer', { clean: 'a', answers: ['b', ''] }, /"answers", item 2: is empty/],
    ['no answers', { clean: 'a', answers: [] }, /"answers": is an empty list/],
    ['negative id', { clean_ids: [1, -1] }, /"clean_ids": the number -1 is not a token id/],
    ['broken id', { clean: 'a', answer_id: 1.5 }, /"answer_id": the number 1.5 is not a token id/],
    ['id as text', { clean: 'a', answer_id: '7' }, /the string "7" is not a token id/],
    ['text as number', { clean: 7 }, /"clean": expected text, found the number 7/],
    ['list for one', { clean: 'a', answer: ['b'] }, /"answer": expected text, found a list/],
    ['one for a list', { clean: 'a', answers: 'b' }, /"answers": expected a list, found the string "b"/],
    ['one id for a list', { clean: 'a', answer_ids: 3 }, /"answer_ids": expected a list, found the number 3/],
    ['label of no kind', { clean: 'a', group: true }, /"group": expected text, found the boolean true/],
    ['the same id', { clean: 'a', id: '1' }, /^:2: id "1" is already that of line 1$/],
    ['a list', ['a'], /^:2: expected a JSON object, found a list/],
  ])('refuses %s', async (_, line, message) => {
    expect(await refusal(jsonl, `{"clean":"a"}\n${JSON.stringify(line)}\n`)).toMatch(message);
  });

  it('refuses a line that is not JSON, and no lines at all', async () => {
    expect(await refusal(jsonl, '{"clean":"a"}\n\n{"clean":')).toMatch(/^:3: not valid JSON/);
    expect(await refusal(jsonl, '\n \n')).toBe(': holds no prompt pairs');
    expect(await refusal(jsonl, '')).toBe(': holds no prompt pairs');
  });

  it('refuses a file that is missing, an empty folder, or of no known format', async () => {
    await expect(readPromptPairs(join(folder, 'none.jsonl'))).rejects.toThrow(/none\.jsonl: no such file/);
    await expect(readPromptPairs(join(folder, 'none.csv'))).rejects.toThrow(/none\.csv: no such file/);
    for (const name of ['folder.jsonl', 'folder.csv']) {
      mkdirSync(join(folder, name));
      await expect(readPromptPairs(join(folder, name))).rejects.toThrow(/is a folder without a table in it/);
    }
    writeFileSync(join(folder, 'a.txt'), 'a');
    await expect(readPromptPairs(join(folder, 'a.txt'))).rejects.toThrow(/plain text has no columns/);
  });
});

describe('a record of a large data set', () => {
  it('may call the prompt by its other name, but not by both', () => {
    expect(parseRecord({ text: 'a', more: 1 }, false).clean).toBe('a');
    expect(parseRecord({ text: 'a', clean: null }, false).clean).toBe('a');
    expect(() => parseRecord({ text: 'a', clean: 'a' }, false)).toThrow(
      '"clean" and its other name "text" are both given; give one',
    );
  });
});

describe('CSV', () => {
  const read = async (text: string): Promise<PromptPair[]> => {
    writeFileSync(csv, text);
    return readPromptPairs(csv);
  };

  it('reads text as it stands, quotes and spaces included', async () => {
    expect(await read('clean,corrupted,answer,distractor,group\r\n"a, ""b""\nc", d ,\t e,f|g,7\r\n')).toEqual(
      [
        {
          id: '3',
          group: '7',
          clean: 'a, "b"\nc',
          corrupted: ' d ',
          answers: ['\t e'],
          distractors: ['f|g'],
        },
      ],
    );
  });

  it('reads lists as JSON or between bars, numbers as numbers', async () => {
    expect(
      await read(
        '\uFEFFclean_ids,corrupted_ids,answer_ids,distractor_id\n"[1, 2]",3|4| 5,6,7\n1,,8|9,\n\n[1],,,\n',
      ),
    ).toEqual([
      { id: '2', clean: [1, 2], corrupted: [3, 4, 5], answers: [6], distractors: [7] },
      { id: '3', clean: [1], answers: [8, 9], distractors: [] },
      { id: '5', clean: [1], answers: [], distractors: [] },
    ]);
    expect(await read('clean,answers,distractors\na," b| c","["" d|e""]"\n')).toEqual([
      { id: '2', clean: 'a', answers: [' b', ' c'], distractors: [' d|e'] },
    ]);
  });

  it.each<[string, string, RegExp]>([
    ['unknown column', 'clean,label\na,0\n', /^:2: unknown column "label"/],
    ['the same column twice', 'clean,clean\na,b\n', /^:1: two columns are called "clean"/],
    ['a row too short', 'clean,answer\na\n', /^:2: Invalid Record Length.* on line 2$/],
    ['a quote that never closes', 'clean\n"a\n', /^:2: Quote Not Closed/],
    ['no rows', 'clean,answer\n', /^: holds no prompt pairs$/],
    ['nothing', '', /^: holds no prompt pairs$/],
    ['an empty prompt', 'clean,answer\n,b\n', /^:2: no prompt/],
    ['an id that is no number', 'clean,answer_id\na,b\n', /"answer_id": the string "b" is not a token id/],
    ['a negative id', 'clean,answer_ids\na,3|-4\n', /"answer_ids": the number -4 is not a token id/],
    [
      'a broken list',
      'clean,answers\na,"[1,"\n',
      /^:2: "answers": the string "\[1," should be JSON, but is none/,
    ],
    ['an empty item', 'clean,answers\na,b||c\n', /"answers", item 2: is empty/],
  ])('refuses %s', async (_, text, message) => {
    expect(await refusal(csv, text)).toMatch(message);
  });
});

describe('tables as they lie about', () => {
  const read = async (name: string, text: string, choice: string | null = null): Promise<PromptPair[]> => {
    const path = join(folder, name);
    writeFileSync(path, text, text === '\ufeff' ? 'utf16le' : 'utf8');
    return readPromptPairs(path, choice);
  };
  const pair = (id: string, clean: string, answers: string[] | number[] = [], more: object = {}) => ({
    id,
    clean,
    answers,
    distractors: [],
    ...more,
  });

  it.each<[string, string, string, string | null, PromptPair[]]>([
    ['semicolons', 'a.csv', 'clean;answer\n"a;b";c,d\n', null, [pair('2', 'a;b', ['c,d'])]],
    ['tabs', 'a.tsv', 'clean\tanswer\nx, y\t z\n', null, [pair('2', 'x, y', [' z'])]],
    ['tabs in .csv', 'b.csv', 'clean\tanswer\na\t b\n', null, [pair('2', 'a', [' b'])]],
    ['carriage returns alone', 'c.csv', 'clean,answer\ra, b\r', null, [pair('2', 'a', [' b'])]],
    ["pandas' index", 'd.csv', ',clean\n0,a\n', null, [pair('2', 'a')]],
    ["pandas' index, read and written", 'e.csv', 'Unnamed: 0,clean\n0,a\n', null, [pair('2', 'a')]],
    [
      'ids of a column with gaps',
      'f.csv',
      'clean,answer_id\na,8.0\nb,\n',
      null,
      [pair('2', 'a', [8]), pair('3', 'b')],
    ],
    [
      'an inch',
      'g.csv',
      'clean\nHe is 5" tall\n"a ""b"""\n',
      null,
      [pair('2', 'He is 5" tall'), pair('3', 'a "b"')],
    ],
    [
      "Python's lists",
      'h.csv',
      `clean,answers\na,"[' b', "" it's"", ' \\u00e9\\'']"\n`,
      null,
      [pair('2', 'a', [' b', " it's", " é'"])],
    ],
    ["NumPy's arrays", 'p.csv', `clean,answers\na,"[' b' ' c']"\n`, null, [pair('2', 'a', [' b', ' c'])]],
    ["NumPy's numbers", 'q.csv', 'clean,answer_ids\na,[ 8 12]\n', null, [pair('2', 'a', [8, 12])]],
    ["Python's tuples", 'r.csv', `clean,answers\na,"(' b', ' c')"\n`, null, [pair('2', 'a', [' b', ' c'])]],
    ["Python's sets", 's.csv', `clean,answers\na,"{' b'}"\n`, null, [pair('2', 'a', [' b'])]],
    ['a text in parentheses', 't.csv', 'clean,answers\na,(A)\n', null, [pair('2', 'a', ['(A)'])]],
    [
      'escapes that are none',
      'u.csv',
      `clean,answers\na,"['\\xzz', '\\UFFFFFFFF', '\\x41']"\n`,
      null,
      [pair('2', 'a', ['\\xzz', '\\UFFFFFFFF', 'A'])],
    ],
    [
      "Python's NaN for what is not given",
      'c.json',
      '[{"clean":"a NaN","distractor":NaN,"group":-Infinity}]',
      null,
      [pair('1', 'a NaN')],
    ],
    ['the same by lines', 'a.jsonl', '{"clean":"a","answer":NaN}\n', null, [pair('1', 'a')]],
    ['a list in JSON', 'a.json', '[{"clean":"a"},{"clean":"b"}]', null, [pair('1', 'a'), pair('2', 'b')]],
    [
      'a list within an object, under other names',
      'b.json',
      '{"word_idxs":{"IO":2},"labels":["x"],"prompts":[{"clean":"a","corrupt":"b","answers":[" c"],"wrong_answers":[" d"]}]}',
      null,
      [pair('1', 'a', [' c'], { corrupted: 'b', distractors: [' d'] })],
    ],
    ['chosen columns', 'i.csv', 'clean,city,x\na,b,7\n', 'answer=city', [pair('2', 'a', ['b'])]],
    [
      'texts made of columns',
      'j.csv',
      'q,city,x\na,b,7\n',
      'clean=Q: {q} {x} A:,answer= {city}',
      [pair('2', 'Q: a 7 A:', [' b'])],
    ],
    [
      'texts made of lists',
      'k.csv',
      `clean,n\na,"['b', 'c']"\n`,
      'answers= {n}',
      [pair('2', 'a', [' b', ' c'])],
    ],
    [
      'records within records and items of lists, as MIB has them',
      'm.jsonl',
      '{"prompt":"a","choices":["b","c"],"answerKey":0,"abc_counterfactual":{"prompt":"d","choices":["e"]}}\n',
      'clean=prompt,corrupted=abc_counterfactual.prompt,answer= {choices.0},distractor= {choices.1}',
      [pair('1', 'a', [' b'], { corrupted: 'd', distractors: [' c'] })],
    ],
    [
      'sentences whose last word is the answer, as Edge-Pruning has them',
      'n.csv',
      'ioi_sentences,corr_ioi_sentences\n"Then, Al and Bo ran. Bo gave it to Al","Then, Cy and Di ran. Ed gave it to Cy"\n',
      'clean={ioi_sentences:start},corrupted={corr_ioi_sentences:start},answer={ioi_sentences:last}',
      [
        pair('2', 'Then, Al and Bo ran. Bo gave it to', [' Al'], {
          corrupted: 'Then, Cy and Di ran. Ed gave it to',
        }),
      ],
    ],
    [
      'a chosen column over a known one',
      'l.csv',
      'clean,answer,city\na,b,c\n',
      'answer=city',
      [pair('2', 'a', ['c'])],
    ],
  ])('reads %s', async (_, name, text, choice, pairs) => {
    expect(await read(name, text, choice)).toEqual(pairs);
  });

  it('reads Parquet', async () => {
    const path = join(folder, 'a.parquet');
    await writeParquet(
      path,
      [
        { name: 'clean', type: 'STRING' },
        { name: 'answer_id', type: 'INT64' },
      ],
      {},
      [
        [
          ['a', 'b'],
          [5n, 6n],
        ],
      ],
    );
    expect(await readPromptPairs(path)).toEqual([pair('1', 'a', [5]), pair('2', 'b', [6])]);
  });

  it('counts numbers above another as right', async () => {
    const [found] = await read('m.csv', 'clean,label\nfrom 1741 to 17,41\n', 'greater_than=label');
    expect(found!.answers).toHaveLength(58);
    expect([found!.answers[0], found!.answers.at(-1)]).toEqual(['42', '99']);
    expect([found!.distractors[0], found!.distractors.at(-1)]).toEqual(['00', '41']);
    const [digits] = await read(
      'o.json',
      '[{"prefix":"a","digits":"07"}]',
      'clean=prefix,greater_than=digits',
    );
    expect(digits!.answers[0]).toBe('08');
    await expect(read('n.csv', 'clean,label\na,99\n', 'greater_than=label')).rejects.toThrow(/from 0 to 98/);
  });

  it('reads a folder or a pattern as one data set, its lines counted on', async () => {
    mkdirSync(join(folder, 'parts/split=train'), { recursive: true });
    for (const [at, lines] of ['{"clean":"a"}\n\n{"clean":"b"}\n', '{"clean":"c"}\n'].entries())
      writeFileSync(join(folder, `parts/split=train/${at}.jsonl`), lines);
    const all = [pair('1', 'a'), pair('3', 'b'), pair('4', 'c')];
    for (const path of ['parts', 'parts/split=train', 'parts/split=*/*.jsonl', 'parts/**/{0,1}.jsonl'])
      expect(await readPromptPairs(join(folder, path))).toEqual(all);
    writeFileSync(join(folder, 'parts/split=train/2.csv'), 'id,clean\n3,d\n');
    await expect(readPromptPairs(join(folder, 'parts'))).rejects.toThrow(
      /2\.csv:2: id "3" is already that of .*0\.jsonl:3/,
    );
  });

  it.each<[string, string, string, string | null, RegExp]>([
    [
      'a quoted cell that goes on',
      'p.csv',
      'clean,answer\n"a" ,b\n',
      null,
      /p\.csv:2: Invalid Closing Quote/,
    ],
    [
      'several columns that nobody knows',
      'q.csv',
      'clean,a,b_idx\nx,1,2\n',
      null,
      /unknown columns "a", "b_idx"; .*--columns answer_id=b_idx/,
    ],
    ['a chosen column that is not there', 'r.csv', 'clean\na\n', 'answer=city', /no row has a column "city"/],
    ['a choice of no column of ours', 's.csv', 'clean\na\n', 'anwser=city', /no "anwser"; known are/],
    ['no choice at all', 's.csv', 'clean\na\n', 'city', /write NAME=COLUMN/],
    ['a choice twice', 's.csv', 'clean\na\n', 'answer=a,answer=b', /"answer" is given twice/],
    [
      'several answers under one',
      'c.json',
      '[{"clean":"a","answer":["b","c"]}]',
      null,
      /several go under .*"answers"/,
    ],
    [
      'lines of JSON in a .json',
      'd.json',
      '{"clean":"a"}\n{"clean":"b"}',
      null,
      /one object a line\? Call it \.jsonl/,
    ],
    ["pandas' columns in JSON", 'e.json', '{"clean":{"0":"a"}}', null, /orient="records"/],
    [
      'two lists',
      'f.json',
      '{"train":[{"clean":"a"}],"test":[{"clean":"a"}]}',
      null,
      /several lists of objects \("train", "test"\)/,
    ],
    [
      'a list in .jsonl',
      'b.jsonl',
      '[\n{"clean":"a"}\n]\n',
      null,
      /b\.jsonl:1: .*goes by the name of \.json/,
    ],
    [
      'a list beyond all measure',
      'x.csv',
      `clean,answers\na,"['${"\\\\'".repeat(600_000)}"\n`,
      null,
      /should be JSON, but is none/,
    ],
    ['UTF-16', 'v.csv', '\ufeff', null, /v\.csv: is UTF-16; save it as UTF-8/],
    ['a compressed file', 'w.csv.gz', '', null, /is compressed; unpack it first/],
    ['a pointer', 'g.json', 'version https://git-lfs.github.com/spec/v1\n', null, /git lfs pull/],
  ])('refuses %s', async (_, name, text, choice, message) => {
    await expect(read(name, text, choice)).rejects.toThrow(message);
  });
});

describe('write, then read', () => {
  const text = fc.string({ minLength: 1, unit: 'binary' });
  const ids = fc.array(fc.nat(), { minLength: 1, maxLength: 4 });
  const texts = fc.array(text, { minLength: 1, maxLength: 3 });
  const choices = (choice: fc.Arbitrary<string[] | number[]>) =>
    fc.oneof(
      fc.constant({ answers: [], distractors: [] }),
      fc.record({ answers: choice, distractors: fc.oneof(fc.constant([]), choice) }),
    );
  const token = fc.oneof(text, fc.nat());
  const classes = fc.dictionary(
    text.filter((name) => name !== '__proto__'),
    fc.array(token, { minLength: 1, maxLength: 2 }),
  );
  const labels = { group: text, classes };
  const pair = fc
    .oneof(
      fc.tuple(
        fc.record({ ...labels, clean: text, corrupted: text }, { requiredKeys: ['clean'] }),
        choices(fc.oneof(texts, ids)),
      ),
      fc.tuple(
        fc.record({ ...labels, clean: ids, corrupted: ids }, { requiredKeys: ['clean'] }),
        choices(ids),
      ),
    )
    .map(([prompts, answers]) => ({ ...prompts, ...answers }));

  it('gives back the same pairs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { minLength: 1, maxLength: 6 }), async (drawn) => {
        const pairs = drawn.map((fields, i) => ({ id: `pair ${i}`, ...fields })) as PromptPair[];
        await writePromptPairs(jsonl, pairs);
        expect(await readPromptPairs(jsonl)).toEqual(pairs);
      }),
      { numRuns: 60 },
    );
  });
});
