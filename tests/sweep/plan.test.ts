/** Plans: what they expand to, and what is wrong with them, by line. */
import { describe, expect, it } from 'vitest';
import { parsePlan } from '../../src/sweep/plan.js';

const settingsOf = (text: string) => parsePlan(text, 'plan.yaml').map(({ settings }) => settings);

it('makes every combination of the matrix, its last key fastest', () => {
  const runs = settingsOf('task: ioi\nmatrix:\n  l1: [auto, 1e-3]\n  seed: 0..2\n');
  expect(runs).toEqual(['auto', 0.001].flatMap((l1) => [0, 1, 2].map((seed) => ({ task: 'ioi', l1, seed }))));
});

it('is one run without a matrix', () => {
  expect(settingsOf('task: ioi\nsteps: none\nbatch-size: 8\n')).toEqual([
    { task: 'ioi', steps: null, batchSize: 8 },
  ]);
});

it('takes lists as one value, written either way', () => {
  const wanted = [['qk', 'ov'], ['mlp_in']].map((components) => ({ task: 'ioi', components }));
  expect(settingsOf('task: ioi\nmatrix: {components: [[qk, ov], mlp_in]}')).toEqual(wanted);
  expect(settingsOf('task: ioi\nmatrix:\n  components: ["qk,ov", [mlp_in]]')).toEqual(wanted);
});

it('adds what is included, on top of the fixed settings, and takes away what is excluded', () => {
  const plan = `
steps: 5
matrix:
  task: [ioi, greater-than]
  seed: [1, 2]
include:
  - task: ioi
    basis: random
    steps: 9
    matrix: {seed: 3..4}
exclude:
  - {task: greater-than, seed: 2}
`;
  expect(settingsOf(plan)).toEqual([
    { steps: 5, task: 'ioi', seed: 1 },
    { steps: 5, task: 'ioi', seed: 2 },
    { steps: 5, task: 'greater-than', seed: 1 },
    { steps: 9, task: 'ioi', basis: 'random', seed: 3 },
    { steps: 9, task: 'ioi', basis: 'random', seed: 4 },
  ]);
});

it('is only what is included where there is no matrix', () => {
  expect(settingsOf('steps: 5\ninclude:\n  - task: ioi')).toEqual([{ steps: 5, task: 'ioi' }]);
});

describe('plans that would take long', () => {
  it.each([
    [
      'values that stand for others',
      'task: &a ioi\nmatrix:\n  seed: [1]\n  form: [*a]',
      /plan\.yaml:4:10: \*a stands for another value/,
    ],
    ['one key twice', 'task: ioi\nseed: 1\nseed: 2', /plan\.yaml:3:1: "seed" stands here twice/],
    ['a megabyte', `task: ${'x'.repeat(2 ** 20)}`, /at most 262144 are read/],
    ['many keys', Array.from({ length: 10_000 }, (_, i) => `a${i}: 1`).join('\n'), /"a0" is no setting/],
  ])('are refused with %s', (_, source, message) => {
    expect(() => parsePlan(source, 'plan.yaml')).toThrow(message);
  });
});

describe('says in which line a mistake is', () => {
  it.each([
    [
      'task: ioi\nstep: 5\n',
      'plan.yaml:2:1: "step" is no setting of run; see orthoscope run --help; did you mean steps?',
    ],
    [
      'task: ioi\nbatchSize: 5\n',
      'plan.yaml:2:1: "batchSize" is no setting of run; see orthoscope run --help; did you mean batch-size?',
    ],
    ['task: ioi\n\nsteps: many\n', 'plan.yaml:3:8: steps many: give a whole number from 1 up, or none'],
    ['matrix:\n  seed: [0, 1.5]\n', 'plan.yaml:2:13: seed 1.5: give a whole number from '],
    ['seed: 4294967296\n', 'plan.yaml:1:7: seed 4294967296: give a whole number from '],
    ['workers: 1000000\n', 'plan.yaml:1:10: workers 1000000: give a whole number from 1 to 1024'],
    [
      'train-pairs: 1000000000\n',
      'plan.yaml:1:14: train-pairs 1000000000: give a whole number from 0 to 100000',
    ],
    [
      'matrix:\n  components: [[qk, mlp]]\n',
      'plan.yaml:2:16: components ["qk","mlp"]: "mlp": choose from qk, ov, ',
    ],
    ['matrix:\n  seed: 3\n', 'plan.yaml:2:3: "seed" in the matrix needs a list of values, or a range'],
    ['matrix:\n  seed: 3..1\n', 'plan.yaml:2:3: the range 3..1 is empty or too long'],
    ['matrix: [seed]\n', 'plan.yaml:1:1: "matrix" is a mapping of settings to lists of values'],
    ['task: ioi\nexclude:\n  - seed: 7\n', 'plan.yaml:3:5: excludes no run of the plan'],
    ['include: ioi\n', 'plan.yaml:1:10: "include" is a list of mappings'],
    ['task: ioi\ntask: ioi\n', 'plan.yaml:2:1: "task" stands here twice'],
    ['task: [ioi\nsteps: 1\n', 'plan.yaml:2:'],
    ['- task: ioi\n', 'plan.yaml:1: holds no settings; write one "name: value" per line'],
    ['task:\n', 'plan.yaml:1:'],
    ['matrix:\n  seed: [1]\nexclude:\n  - seed: 1\n', 'plan.yaml: no run is left'],
    ['matrix:\n  seed: 0..999\n  batch-size: 1..999\n', 'plan.yaml:1:1: more than 100000 runs'],
  ])('%j', (text, message) => {
    expect(() => parsePlan(text, 'plan.yaml')).toThrow(message);
  });
});
