/** Circuits from and for other programs: JSON, lists of heads, graphs of EAP-IG. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { circuitText } from '../../cli/commands/circuit.js';
import { circuit } from '../../src/commands/circuit.js';
import { circuitOf, masksOfCircuit, readCircuitFile } from '../../src/masks/circuit-file.js';
import { readMasks, writeMasks } from '../../src/masks/masks-file.js';
import { parseNode, readNodes } from '../../src/masks/node-files.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
const at = (name: string) => join(folder, name);
const text = (name: string, content: string) => {
  writeFileSync(at(name), content);
  return at(name);
};

const mask = fc.float({ min: 0, max: 1, noNaN: true }).map(Math.fround);
const values = fc
  .dictionary(
    fc.constantFrom('L0H0.qk', 'L0H1.ov', 'L1.mlp_in', 'L11.mlp_out'),
    fc.array(fc.oneof(fc.constantFrom(0, 1), mask), { minLength: 1, maxLength: 9 }),
    { minKeys: 1 },
  )
  .map((all) => new Map(Object.entries(all).map(([name, masks]) => [name, Float32Array.from(masks)])));

describe('a circuit as JSON', () => {
  it('brings masks back as they were, with what they belong to', async () => {
    const metadata = {
      weightForm: 'reference',
      modelHash: 'ab'.repeat(32),
      basis: 'random:3',
      qkSplit: 'svd',
      rules: { qk: 'scale' },
    };
    await fc.assert(
      fc.asyncProperty(values, async (masks) => {
        const file = text('any.json', JSON.stringify(circuitOf({ values: masks, metadata }, 0.5, 'gpt2')));
        const back = masksOfCircuit(await readCircuitFile(file));
        expect(back.values).toEqual(masks);
        expect(back.metadata).toMatchObject(metadata);
      }),
      { numRuns: 50 },
    );
  });

  it('says what is wrong with a file', async () => {
    const whole = circuitOf(
      { values: new Map([['L0H0.qk', Float32Array.of(0, 1)]]), metadata: {} },
      0.5,
      null,
    );
    const wrong = (change: object) =>
      readCircuitFile(text('wrong.json', JSON.stringify({ ...whole, ...change })));
    await expect(wrong({ schema_version: 2 })).rejects.toThrow('schema_version 2');
    await expect(wrong({ components: { L0: { directions: 2, kept: [] } } })).rejects.toThrow(
      '"L0" is no component',
    );
    await expect(wrong({ components: { 'L0H0.qk': { directions: 2, kept: [1, 0] } } })).rejects.toThrow(
      'kept must hold directions in ascending order',
    );
    await expect(wrong({ components: { 'L0H0.qk': { directions: 2, kept: [2] } } })).rejects.toThrow(
      'below the number',
    );
  });
});

describe('names of heads', () => {
  it('are read as three programs write them', () => {
    for (const name of ['L9H6', '9.6', 'a9.h6']) expect(parseNode(name)).toEqual({ layer: 9, head: 6 });
    for (const name of ['L4.mlp', 'm4']) expect(parseNode(name)).toEqual({ layer: 4 });
    for (const name of ['', 'L9', '9', 'head 9.6', 'm', 'input']) expect(parseNode(name)).toBeNull();
  });

  it('stand in text, in lists and in graphs', async () => {
    const wanted = [{ layer: 2, head: 1 }, { layer: 0 }];
    const graph = {
      nodes: {
        input: { in_graph: true },
        'a2.h1': { in_graph: true },
        'a0.h0': { in_graph: false },
        m0: { in_graph: true },
      },
    };
    for (const content of ['L2H1\nm0\n', '[[2, 1], "L0.mlp"]', JSON.stringify(graph)])
      expect(await readNodes(text('nodes', content))).toEqual(wanted);
    await expect(readNodes(text('nodes', 'L2H1 nonsense'))).rejects.toThrow('"nonsense" is no head');
    await expect(readNodes(text('nodes', '{"a": 1}'))).rejects.toThrow('has no "nodes"');
  });
});

describe('circuit', () => {
  it('goes from heads to masks, to JSON, to a graph and back', async () => {
    const heads = text('heads.txt', 'L1H0, 2.3');
    await circuit({ source: heads, model: 'embedded', to: at('masks.safetensors') });
    const { values } = await readMasks(at('masks.safetensors'));
    expect([...values.keys()].some((name) => name.includes('mlp'))).toBe(false);
    expect([...values].filter(([, masks]) => masks.every((one) => one === 1)).map(([name]) => name)).toEqual([
      'L1H0.ov',
      'L1H0.qk',
      'L2H3.ov',
      'L2H3.qk',
    ]);
    const { circuit: found, file } = await circuit({ source: at('masks.safetensors'), to: at('heads.json') });
    expect(file).toBe(at('heads.json'));
    expect(circuitText(found)).toContain('of 396 directions');
    await circuit({ source: at('heads.json'), to: at('again.safetensors') });
    expect((await readMasks(at('again.safetensors'))).values).toEqual(values);
    await circuit({ source: at('heads.json'), as: 'mib', model: 'embedded', to: at('graph.json') });
    const graph = JSON.parse(readFileSync(at('graph.json'), 'utf8'));
    expect(graph.cfg).toEqual({ n_layers: 3, n_heads: 4, d_model: 64, parallel_attn_mlp: false });
    expect(graph.nodes['a2.h3']).toEqual({ in_graph: true, score: 1 });
    expect(graph.nodes['a0.h0']).toEqual({ in_graph: false, score: 0 });
    // Without masks, MLPs run whole.
    expect(graph.nodes.m1).toEqual({ in_graph: true, score: 1 });
    expect(await readNodes(at('graph.json'))).toHaveLength(2 + 3);
  }, 60_000);

  it('says what it lacks', async () => {
    await expect(circuit({ source: at('heads.txt') })).rejects.toThrow('name its model with --model');
    await expect(circuit({ source: at('heads.json'), as: 'mib' })).rejects.toThrow(
      '--as mib: name the model',
    );
    await expect(circuit({ source: at('heads.json'), as: 'masks' })).rejects.toThrow(
      '--as masks: name a file',
    );
    await writeMasks(at('odd.safetensors'), {
      values: new Map([['L0H0.qk', Float32Array.of(1, 0)]]),
      metadata: {},
    });
    await expect(circuit({ source: at('odd.safetensors'), model: 'embedded' })).rejects.toThrow(
      'has 2 masks',
    );
    await expect(circuit({ source: text('far.txt', 'L99H0'), model: 'embedded' })).rejects.toThrow(
      'names L99H0',
    );
  }, 60_000);
});
