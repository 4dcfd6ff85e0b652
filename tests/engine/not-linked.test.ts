import { existsSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { openEngine } from '../../src/engine/engine.js';
import { listEngines } from '../../src/engine/list.js';
import { InputError } from '../../src/errors.js';

// A machine on which nobody has linked a TensorFlow.
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return { ...fs, existsSync: (path: string) => !path.endsWith('tfjs_binding.node') && fs.existsSync(path) };
});

it('falls back on wasm and says what brings TensorFlow', async () => {
  expect(existsSync('lib/tfjs_binding.node')).toBe(false);
  const engine = await openEngine();
  expect(engine.name).toBe('wasm');
  expect(engine.reason).toBe('no TensorFlow is linked; run: orthoscope engine link');
});

it.each(['native', 'native-cpu', 'native-gpu'] as const)(
  'does not put wasm in the place of %s',
  async (engine) => {
    await expect(openEngine({ engine })).rejects.toThrow(InputError);
    await expect(openEngine({ engine })).rejects.toThrow('run: orthoscope engine link');
  },
);

it('lists what is there, with speeds, and what is missing, with the command', async () => {
  const { engines, chosen, reason } = await listEngines({ measure: true });
  expect(chosen).toBe('wasm');
  expect(reason).toContain('orthoscope engine link');
  expect(engines.map(({ name }) => name)).toEqual(['native-gpu', 'native-cpu', 'wasm', 'webgpu']);
  const wasm = engines.find(({ name }) => name === 'wasm')!;
  expect(wasm).toMatchObject({
    available: true,
    note: null,
    devices: [{ name: expect.stringContaining('core') }],
  });
  expect(wasm.gflops).toBeGreaterThan(0.1);
  expect(wasm.devices[0]!.memoryBytes).toBeLessThanOrEqual(4 * 2 ** 30);
  expect(engines.find(({ name }) => name === 'native-cpu')).toMatchObject({
    available: false,
    note: expect.stringContaining('orthoscope engine link'),
    gflops: null,
  });
});

it('leaves the process’s error handling as it was', async () => {
  await openEngine({ engine: 'wasm' });
  const own = (event: 'uncaughtException' | 'unhandledRejection') =>
    process.listeners(event as 'uncaughtException').filter((f) => /abort|ExitStatus/.test(String(f)));
  expect([own('uncaughtException'), own('unhandledRejection')]).toEqual([[], []]);
});
