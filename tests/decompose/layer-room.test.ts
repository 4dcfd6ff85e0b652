import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LayerRoom, roomFor } from '../../src/decompose/layer-room.js';
import { listComponents } from '../../src/models/components.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

it('keeps every part of a layer apart and fills its block', async () => {
  await writeRandomGpt2(join(folder, 'model'), {});
  const { architecture } = await openForTest(join(folder, 'model'));
  const layer = listComponents(architecture).filter((component) => component.layer === 0);
  const parts = new LayerRoom(layer, architecture)
    .layOut(layer)
    .flatMap(({ factors: { a, b }, svd: { u, s, vt } }) => (b ? [a, b, u, s, vt] : [a, u, s, vt]));
  parts.forEach((part, i) => part.fill(i + 1));
  parts.forEach((part, i) => expect(part.every((value) => value === i + 1)).toBe(true));
  const numbers = layer.reduce((sum, component) => sum + roomFor(component, architecture), 0);
  expect(parts.reduce((sum, { length }) => sum + length, 0)).toBe(numbers);
  expect(parts[0]!.buffer.byteLength).toBe(4 * numbers);
});
