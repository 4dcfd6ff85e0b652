/** How long it takes to load a model and its directions here. */
import type { Engine } from '../engine/engine.js';
import { modelCost, weightBytes } from '../forward/model-cost.js';
import { disposePlainLayer, uploadPlainLayer } from '../forward/plain-layer.js';
import { leastSeconds } from '../least-seconds.js';
import type { Component } from '../models/components.js';
import type { Model } from '../models/weights.js';

/**
 * Seconds, from one layer that is loaded and let go: reading, checking, turning and uploading cost about as much for
 * each byte of directions and of both ends (bench/costs.ts).
 * @param components whose directions are loaded as well
 */
export async function loadingSeconds(
  engine: Engine,
  model: Model,
  components: readonly Component[] = [],
): Promise<number> {
  const { architecture } = model;
  const seconds = await leastSeconds(async () =>
    disposePlainLayer(uploadPlainLayer(engine, await model.layer(0))),
  );
  return (seconds * weightBytes(architecture, components)) / (4 * modelCost(architecture).layer);
}
