import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, type TestContext } from 'vitest';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import type { Constants } from '../../src/gpu/shader.ts';
import { kernels } from '../../src/kernels/index.ts';
import type { Bounded } from '../../src/reference/twin.ts';
import { type Case, smallCases } from '../support/cases.ts';
import { useDevice } from '../support/device.ts';
import { expectTwin, runKernel } from '../support/kernel.ts';

const device = useDevice();
const cases = smallCases(2024);

const written = (spec: KernelSpec): string[] =>
  Object.keys(spec.buffers).filter((name) => spec.buffers[name] === 'read_write');

/** The same kernel with one element of one tensor of its twin moved a little out of its bound. */
function withWrongTwin(spec: KernelSpec, tensor: string, index: number): KernelSpec {
  return {
    ...spec,
    twin: (params, buffers, constants) => {
      const result = { ...(spec.twin(params, buffers, constants) as Record<string, Bounded>) };
      const { value, bound } = result[tensor]!;
      const moved = value.slice();
      // Further than twice the bound, so that the kernel's own error cannot bring it back in; an exact result is moved by 1.
      moved[index]! += bound[index]! === 0 ? 1 : 2.5 * bound[index]!;
      result[tensor] = { value: moved, bound };
      return result;
    },
  };
}

/** The constants of a case on this device. */
function constantsOf({ constants = {}, subgroups }: Case, context: TestContext): Constants {
  if (!subgroups) return constants;
  const LANES = device.gpu.subgroupSize;
  if (LANES !== 4 && LANES !== 8) return context.skip('it needs subgroups of 4 or 8 lanes');
  return { ...constants, LANES };
}

describe('every kernel of the registry, seed 2024', () => {
  it('has a small case, and every case a kernel', () => {
    expect(Object.keys(cases).sort()).toEqual(kernels.map((spec) => spec.file).sort());
  });

  it('has a test of its own in this folder: the name of its spec is in a test file', async () => {
    const folder = dirname(fileURLToPath(import.meta.url));
    const files = readdirSync(folder).filter((f) => f.endsWith('.test.ts') && f !== 'registry.test.ts');
    const texts = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
    const rooms = ['adam', 'batchnorm', 'bias', 'gather', 'label-rows', 'matmul', 'metrics', 'relu'];
    rooms.push('softmax-xent', 'squared-error', 'sigmoid', 'mix', 'delay', 'sgd');
    rooms.push('peaks', 'matmul-ladder', 'overhead', 'copy-rows', 'fused');
    const names = new Map<unknown, string>();
    for (const room of rooms) {
      const specs: Record<string, unknown> = await import(`../../src/kernels/${room}.ts`);
      for (const [name, spec] of Object.entries(specs)) names.set(spec, name);
    }
    const untested = kernels.filter((spec) => !new RegExp(`\\b${names.get(spec)}\\b`).test(texts));
    expect(untested.map((spec) => spec.file)).toEqual([]);
  });

  describe.each(kernels.map((spec) => [spec.file, spec] as const))('%s', (file, spec) => {
    const small = cases[file]!;
    const { params, contents } = small;

    it('equals its twin', async (context) => {
      await expectTwin(device.gpu, spec, params, contents, constantsOf(small, context));
    });

    it('writes only what its spec says that it writes', async (context) => {
      const after = await runKernel(device.gpu, spec, params, contents, constantsOf(small, context));
      for (const [name, access] of Object.entries(spec.buffers)) {
        if (access === 'read') expect(after[name], name).toEqual(contents[name]);
      }
    });

    it.for(written(spec))(
      'fails when one element of %s is not what the twin says',
      async (tensor, context) => {
        const n = contents[tensor]!.length;
        const wrong = withWrongTwin(spec, tensor, n >> 1);
        const run = expectTwin(device.gpu, wrong, params, contents, constantsOf(small, context));
        await expect(run).rejects.toThrow(
          `1 of ${n} elements of ${tensor} are out of bound; the worst is [${n >> 1}]`,
        );
      },
    );

    it('has a cost that is counted in whole, non-negative numbers', () => {
      expect(Number.isInteger(spec.bytes(params))).toBe(true);
      expect(Number.isInteger(spec.flops(params))).toBe(true);
      expect(spec.bytes(params)).toBeGreaterThan(0);
      expect(spec.flops(params)).toBeGreaterThanOrEqual(0);
    });
  });
});
