/**
 * Heads and MLPs as other programs name them, and circuits of whole ones: lists of names, and the graphs of EAP-IG, which
 * the MIB benchmark takes (arXiv 2504.13151).
 */
import { readFile } from 'node:fs/promises';
import { InputError } from '../errors.js';
import { fileError } from '../formats/file-error.js';
import { isRecord, parseJson } from '../formats/json-file.js';
import type { Architecture } from '../models/architecture.js';
import { type Component, isHead } from '../models/components.js';
import type { Masks } from './masks-file.js';

/** A head, or without one the MLP of a layer. */
export interface Node {
  layer: number;
  head?: number;
}

/** `L9H6`, `9.6` or `a9.h6`; `L4.mlp` or `m4`. Null for any other text. */
export function parseNode(text: string): Node | null {
  const head = /^(?:L(\d+)H(\d+)|(\d+)\.(\d+)|a(\d+)\.h(\d+))$/.exec(text);
  if (head) {
    const [layer, own] = head.slice(1).filter((part) => part !== undefined);
    return { layer: Number(layer), head: Number(own) };
  }
  const [, first, second] = /^(?:L(\d+)\.mlp|m(\d+))$/.exec(text) ?? [];
  return first === undefined && second === undefined ? null : { layer: Number(first ?? second) };
}

/** Ends of the graphs of EAP-IG, which are no heads or MLPs. */
const ENDS = new Set(['input', 'logits']);

/**
 * Reads heads and MLPs: text with one a line (or several, between commas or spaces), JSON with a list of names or of
 * pairs [layer, head], or a graph of EAP-IG, of which those are taken that are `in_graph`.
 * @throws InputError if it holds anything else, or nothing
 */
export async function readNodes(path: string): Promise<Node[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
  const nodes = namesIn(text, path)
    .filter((name) => !ENDS.has(name))
    .map((name) => {
      const node = parseNode(name);
      if (node) return node;
      throw new InputError(`${path}: "${name}" is no head (L9H6, 9.6, a9.h6) and no MLP (L4.mlp, m4)`);
    });
  if (nodes.length === 0) throw new InputError(`${path}: names no head and no MLP`);
  return nodes;
}

function namesIn(text: string, path: string): string[] {
  if (!/^\s*[[{]/.test(text)) return text.split(/[\s,]+/).filter((name) => name !== '');
  let content: unknown;
  try {
    content = parseJson(text);
  } catch (error) {
    throw new InputError(`${path}: not valid JSON (${(error as Error).message.replace(/\s+/g, ' ')})`);
  }
  if (Array.isArray(content))
    return content.map((entry) => (Array.isArray(entry) ? entry.join('.') : String(entry)));
  if (isRecord(content) && isRecord(content.nodes))
    return Object.entries(content.nodes)
      .filter(([, node]) => isRecord(node) && node.in_graph === true)
      .map(([name]) => name);
  throw new InputError(`${path}: is no list of heads, and has no "nodes" as the graphs of EAP-IG have`);
}

/**
 * Masks that keep these heads and MLPs whole and nothing else. Kinds of which none is named have no masks: they run whole.
 * @param components all of the model's
 * @throws InputError if the model has no such head or layer
 */
export function masksOfNodes(
  nodes: readonly Node[],
  components: readonly Component[],
  path: string,
): Masks['values'] {
  const named = new Set(nodes.map(nodeName));
  const known = new Set(components.map(nodeName));
  for (const name of named)
    if (!known.has(name)) throw new InputError(`${path}: names ${name}, which the model does not have`);
  const heads = nodes.some(({ head }) => head !== undefined);
  const mlps = nodes.some(({ head }) => head === undefined);
  return new Map(
    components
      .filter((component) => (isHead(component) ? heads : mlps))
      .map((component) => [
        component.name,
        new Float32Array(component.rank).fill(Number(named.has(nodeName(component)))),
      ]),
  );
}

function nodeName({ layer, head }: Pick<Component, 'layer' | 'head'>): string {
  return head === undefined ? `L${layer}.mlp` : `L${layer}H${head}`;
}

/**
 * A circuit as a graph of EAP-IG without edges: a node's score is the share of its directions that is kept, and it is
 * `in_graph` if it keeps any. Which directions, and in which basis, the format cannot say.
 */
export function nodeGraph(
  { values }: Pick<Masks, 'values'>,
  { nLayers, nHeads, dModel, parallelResidual }: Architecture,
  components: readonly Component[],
  threshold: number,
): object {
  const shares = new Map<string, { kept: number; all: number }>();
  for (const component of components) {
    const name =
      component.head === undefined ? `m${component.layer}` : `a${component.layer}.h${component.head}`;
    const share = shares.get(name) ?? { kept: 0, all: 0 };
    const masks = values.get(component.name);
    // Without masks a component runs whole.
    share.kept += masks ? masks.filter((mask) => mask > threshold).length : component.rank;
    share.all += masks?.length ?? component.rank;
    shares.set(name, share);
  }
  const ends = { in_graph: true, score: 1 };
  return {
    cfg: {
      n_layers: nLayers,
      n_heads: nHeads,
      d_model: dModel,
      parallel_attn_mlp: parallelResidual === true,
    },
    nodes: {
      input: ends,
      ...Object.fromEntries(
        [...shares].map(([name, { kept, all }]) => [name, { in_graph: kept > 0, score: kept / all }]),
      ),
      logits: ends,
    },
    edges: {},
  };
}
