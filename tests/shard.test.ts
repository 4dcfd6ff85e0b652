import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inShard, readShard, shardName } from '../src/shard.js';

describe('shards', () => {
  it('cut any list into parts that share nothing and leave nothing out', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 50 }), (of, length) => {
        for (let position = 0; position < length; position++) {
          const parts = Array.from({ length: of }, (_, i) => i + 1).filter((index) =>
            inShard(position, { index, of }),
          );
          expect(parts).toHaveLength(1);
        }
      }),
    );
  });

  it('are named by part and number of parts', () => {
    expect(readShard('2/4')).toEqual({ index: 2, of: 4 });
    expect(shardName({ index: 2, of: 4 })).toBe('2/4');
    for (const wrong of ['2', 'a/b', '-1/4', '1/4/2', '']) expect(readShard(wrong)).toBeNull();
  });
});
