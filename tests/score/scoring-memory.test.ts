import { describe, expect, it } from 'vitest';
import { engineMemory } from '../../src/engine/memory.js';
import { listComponents } from '../../src/models/components.js';
import { chooseDirections } from '../../src/score/chosen-directions.js';
import { checkScoringMemory, scoringMemory } from '../../src/score/scoring-memory.js';
import { GPT2_SMALL, LLAMA_3B } from '../support/architectures.js';

const sizes = { examples: 5, context: 16 };
const request = (architecture: typeof GPT2_SMALL, list = 'all') => ({
  architecture,
  scored: chooseDirections(list, listComponents(architecture)),
  positions: 'all' as const,
  sizes,
});
const total = (of: Parameters<typeof scoringMemory>[0]) =>
  Object.values(scoringMemory(of, engineMemory('native-cpu'))).reduce((sum, bytes) => sum + bytes, 0);

describe('memory of scoring', () => {
  it('counts the bases as they are read with', () => {
    const { bases } = scoringMemory(
      request(GPT2_SMALL, 'L0H0.qk,L0H1.ov,L1.mlp_in,L2.mlp_out'),
      engineMemory('wasm'),
    );
    // Of QK the queries' side, and the head's own keys; of OV the head's own values; a number more each, its unit.
    expect(bases).toBe(4 * (64 * (768 + 64 + 1) + 65 * (64 + 1) + 769 * (768 + 1) + 768 * (768 + 1)));
  });

  it('falls with fewer layers and fewer directions', () => {
    expect(total(request(GPT2_SMALL, 'L3H0.qk'))).toBeLessThan(total(request(GPT2_SMALL, 'L11H0.qk')));
    expect(total(request(GPT2_SMALL, 'L11H0.qk'))).toBeLessThan(total(request(GPT2_SMALL)));
  });

  it('is refused before anything is done where it is too much, with the layers that fit', () => {
    const whole = request(LLAMA_3B);
    expect(() => checkScoringMemory(whole, 'native-cpu', 1e12)).not.toThrow();
    expect(() => checkScoringMemory(whole, 'native-cpu', 2e9)).toThrow(/ more; raise it$/);
    const limit = 15e9;
    let refusal = '';
    try {
      checkScoringMemory(whole, 'native-cpu', limit);
    } catch (error) {
      refusal = (error as Error).message;
    }
    const [, last] = /raise it, or name those of the layers up to (\d+) alone with --directions/.exec(
      refusal,
    )!;
    const upTo = (layer: number) => ({
      ...whole,
      scored: whole.scored.filter(({ component }) => component.layer <= layer),
    });
    expect(total(upTo(Number(last)))).toBeLessThanOrEqual(limit);
    expect(total(upTo(Number(last) + 1))).toBeGreaterThan(limit);
  });
});
