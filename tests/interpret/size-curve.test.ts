/** Circuits of other sizes: each is its directions in order, scored by itself. */
import { expect, it } from 'vitest';
import { scorePrompts } from '../../src/evaluate/prompt-scores.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { sizeCurve } from '../../src/interpret/size-curve.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import type { ProgressEvent } from '../../src/progress.js';
import { mean } from '../../src/statistics/summary.js';
import { describeOnEngines } from '../support/engines.js';
import { takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

describeOnEngines('circuits of other sizes', (engine) => {
  it('keep the directions with the largest masks', async () => {
    const { apart, prompt } = await takeApart(engine(), folder, 'llama');
    const { running } = apart;
    const pairs = [4, 6, 5].map(
      (length, i): TokenPair => ({
        id: String(i),
        clean: prompt(length),
        corrupted: prompt(length),
        answers: Int32Array.of(3),
        distractors: Int32Array.of(4),
      }),
    );
    const prepared = await PreparedPairs.prepare(running, pairs, { replacement: 'interchange', seed: 0 });
    const { size } = running.layout;
    // The later the more important; each is as large as one other.
    const ranking = Float32Array.from({ length: size }, (_, at) => Math.floor(at / 2) / size);
    const seen: ProgressEvent[] = [];
    const points = await sizeCurve(prepared, ranking, 8, { onProgress: (event) => seen.push(event) });
    const sizes = points.map(({ kept }) => kept);
    expect(sizes).toEqual([...new Set(sizes)].sort((a, b) => a - b));
    for (const expected of [0, 2, 4, 6, 8, 12, 16, Math.floor(size / 2), size])
      expect(sizes).toContain(expected);
    const order = [...ranking.keys()].sort((a, b) => ranking[b]! - ranking[a]!);
    for (const { kept, mask, ...figures } of points) {
      expect(mask).toBe(kept === 0 ? 1 : ranking[order[kept - 1]!]!);
      const masks = new Float32Array(size);
      for (const at of order.slice(0, kept)) masks[at] = 1;
      const { kl, exact_match, accuracy, logit_diff } = await scorePrompts(prepared, masks);
      expect(figures.kl).toBeCloseTo(mean(kl)!, 5);
      expect(figures.exact_match).toBe(mean(exact_match));
      expect(figures.accuracy).toBe(mean(accuracy));
      expect(figures.logit_difference).toBeCloseTo(mean(logit_diff)!, 4);
    }
    expect(new Set(seen.map(({ stage }) => stage))).toEqual(new Set(['sizes']));
    expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
    running.dispose();
  });
});
