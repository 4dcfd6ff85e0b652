/**
 * What a file must be for the viewers of attribution graphs: the facts of Neuronpedia's published schema
 * (apps/webapp/app/api/graph/graph-schema.json of hijohnnylin/neuronpedia) and of the models that circuit-tracer's
 * server reads (circuit_tracer/frontend/graph_models.py of safety-research/circuit-tracer), in our words.
 */
import { z } from 'zod';

const node = z
  .object({
    node_id: z.string().min(1),
    feature: z.int().nullable(),
    layer: z.string(),
    ctx_idx: z.int().nonnegative(),
    feature_type: z.string(),
    token_prob: z.number(),
    is_target_logit: z.boolean(),
    run_idx: z.int(),
    reverse_ctx_idx: z.int(),
    jsNodeId: z.string(),
    clerp: z.string(),
    influence: z.number().nullable(),
    activation: z.number().nullable(),
  })
  // Viewers read the probability of a logit from its text.
  .refine(
    ({ feature_type, clerp }) => feature_type !== 'logit' || /^Output ".*" \(p=[\d.]+\)$/s.test(clerp),
    {
      error: 'a logit without its probability',
    },
  );

export const graphSchema = z
  .object({
    metadata: z.object({
      slug: z.string(),
      scan: z.string(),
      transcoder_list: z.array(z.string()),
      prompt_tokens: z.array(z.string()),
      prompt: z.string(),
      node_threshold: z.number().optional(),
      schema_version: z.int().optional(),
    }),
    qParams: z.object({
      pinnedIds: z.array(z.string()),
      supernodes: z.array(z.array(z.string())),
      linkType: z.string(),
      clickedId: z.string(),
      sg_pos: z.string(),
    }),
    nodes: z.array(node),
    links: z.array(z.object({ source: z.string(), target: z.string(), weight: z.number() })),
  })
  .refine(
    ({ nodes, links }) => {
      const ids = new Set(nodes.map(({ node_id }) => node_id));
      return links.every(({ source, target }) => ids.has(source) && ids.has(target));
    },
    { error: 'a link to no node' },
  )
  // Neuronpedia places nodes by the highest layer, and takes 0 for none.
  .refine(
    ({ nodes }) => nodes.some(({ layer, feature_type }) => feature_type !== 'logit' && Number(layer) > 0),
    {
      error: 'nothing above the first layer',
    },
  );
