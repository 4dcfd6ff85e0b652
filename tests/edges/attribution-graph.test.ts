/** Attribution graphs: against the viewers' schema, their parts against what nodes have, inner links against differences. */
import { expect, it } from 'vitest';
import { attributionGraph } from '../../src/edges/attribution-graph.js';
import type { AttributionNode } from '../../src/edges/attribution-nodes.js';
import { webOf } from '../../src/edges/edges.js';
import { liveRun } from '../../src/edges/live-run.js';
import { intervene } from '../../src/forward/interventions.js';
import { coefficientsOf } from '../../src/forward/places.js';
import type { Direction } from '../../src/interpret/coefficients.js';
import { placeValues } from '../../src/interpret/place-values.js';
import { describeOnEngines } from '../support/engines.js';
import { graphSchema } from '../support/graph-schema.js';
import { takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const FAMILIES = ['gpt2', 'llama', 'qwen3', 'gemma2', 'gpt_neox'] as const;

describeOnEngines('an attribution graph', (engine) => {
  for (const family of FAMILIES)
    it(`has nodes that its links add up to, in ${family}`, async () => {
      const { apart, prompt } = await takeApart(engine(), folder, family);
      const { running, model } = apart;
      const { architecture } = model;
      // Some directions of each component: the others are errors.
      const some = running.layout.components.flatMap((component) =>
        [0, 2].filter((index) => index < component.rank).map((index): Direction => ({ component, index })),
      );
      const web = await webOf(apart, some);
      const clean = prompt(5);
      const run = await liveRun(apart, [{ clean, answers: [3, 5], distractors: [1] }]);
      const request = { prompt: 'text', scan: 'model', slug: 'slug', spell: String, labelOf: () => null };
      const whole = await attributionGraph(web, run, request, { kept: { nodes: 1, links: 1 } });
      const graph = graphSchema.parse(JSON.parse(JSON.stringify(whole)));
      const byId = new Map(whole.nodes.map((node) => [node.node_id, node]));
      expect(byId.size).toBe(graph.nodes.length);
      expect(new Set(whole.links.map(({ source, target }) => `${source} ${target}`)).size).toBe(
        whole.links.length,
      );
      const into = (id: string) => whole.links.filter(({ target }) => target === id);
      const sumInto = (id: string) => into(id).reduce((sum, { weight }) => sum + weight, 0);

      // A logit above the mean is what reaches it, and its bias.
      const logits = run.values.logitsOf(0);
      const mean = logits.reduce((sum, value) => sum + value, 0) / logits.length;
      for (const node of whole.nodes.filter(({ feature_type }) => feature_type === 'logit')) {
        const { bias } = apart.ends.unembed;
        if (architecture.logitCap !== undefined) continue;
        const own = bias
          ? bias[node.feature]! - bias.reduce((sum, value) => sum + value, 0) / bias.length
          : 0;
        expect(Math.abs(sumInto(node.node_id) + own - (logits[node.feature]! - mean))).toBeLessThan(1e-4);
      }
      const nameOf = ({ clerp }: AttributionNode) => clerp;
      const directionOf = new Map(
        some.map((direction) => [`${direction.component.name}.${direction.index}`, direction]),
      );
      let [inner, first] = [0, 0];
      for (const node of whole.nodes.filter(
        ({ feature_type }) => feature_type === 'cross layer transcoder',
      )) {
        const { component, index } = directionOf.get(nameOf(node))!;
        const { layer, kind, name, rows, rank } = component;
        if (['mlp_in', 'mlp_gate', 'mlp_up'].includes(kind)) {
          const { u, s } = (await apart.decomposition.layer(layer)).get(name)!;
          const bias = rows > architecture.dModel ? s[index]! * u[index]! : 0;
          expect(Math.abs(sumInto(node.node_id) + bias - node.activation!), name).toBeLessThan(1e-4);
          inner++;
        }
        if (kind !== 'ov' && kind !== 'mlp_out' && kind !== 'mlp_down') continue;
        // Links within a head or an MLP: what a little more of the source does to the target, in the same block.
        for (const { source, weight } of into(node.node_id)) {
          const from = byId.get(source)!;
          const own = directionOf.get(nameOf(from));
          const within = own && own.component.layer === layer && from.ctx_idx === node.ctx_idx;
          const inward =
            within && (kind === 'ov' ? own.component.kind === 'qk' : own.component.kind.startsWith('mlp'));
          if (!inward || first++ % 19 !== 0) continue;
          const place = { layer, place: coefficientsOf(kind) };
          const coefficient = async (scale: number) => {
            const tokens = [[node.ctx_idx]];
            const change = [
              { component: own.component.name, directions: [own.index], tokens, change: { scale } },
            ];
            const { hooks } = intervene(running, [clean], change);
            const values = await placeValues(running, [clean], [place], {
              hooks,
              positions: 'all',
              ends: 'all',
            });
            const { data, shape } = values.of(place);
            const column = kind === 'ov' ? component.head! * rank + index : index;
            const unit = kind === 'ov' ? 1 : running.sigma[running.layout.of(component).start + index]!;
            return unit * data[node.ctx_idx * shape[1]! + column]!;
          };
          const step = 0.02;
          const slope = ((await coefficient(1 + step)) - (await coefficient(1 - step))) / (2 * step);
          expect(Math.abs(slope - weight), `${nameOf(from)} → ${name}`).toBeLessThan(
            5e-4 + 0.01 * Math.abs(slope),
          );
        }
      }
      expect(inner).toBeGreaterThan(5);
      expect(first).toBeGreaterThan(10);

      // The same, pruned: no node but has a way to the logits.
      const pruned = await attributionGraph(web, run, request);
      graphSchema.parse(JSON.parse(JSON.stringify(pruned)));
      expect(pruned.nodes.length).toBeLessThan(whole.nodes.length);
      const sources = new Set(pruned.links.map(({ source }) => source));
      for (const { node_id, feature_type, influence } of pruned.nodes) {
        expect(byId.has(node_id)).toBe(true);
        if (feature_type === 'logit') expect(influence).toBeNull();
        else {
          expect(sources.has(node_id)).toBe(true);
          expect(influence).toBeGreaterThan(0);
          expect(influence).toBeLessThanOrEqual(1 + 1e-9);
        }
      }
      running.dispose();
    });
});
