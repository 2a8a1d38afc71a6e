import { describe, expect, it } from 'vitest';
import { kernels } from '../../src/kernels/index.ts';
import { buffersOf, expectPyTorch, operatorCases, runTwins, waysOf } from '../support/operators.ts';

/** Roundings of float64 are so much smaller than those of float32. */
const FLOAT64 = 2 ** (24 - 53);

describe('twins of single kernels against PyTorch in float64', () => {
  it.each(operatorCases.map((c) => [c.name, c] as const))('%s', (_, c) => {
    expect(buffersOf(c, 'out').size).toBeGreaterThan(0);
    for (const chain of waysOf(c)) expectPyTorch(c, runTwins(c, chain), c.twin === 'float64' ? FLOAT64 : 1);
  });
});

/** Kernels that are not in the fixture, and why. */
const NO_COUNTERPART: Readonly<Record<string, string>> = {
  delay_line: 'copies',
  copy_rows: 'copies',
  fused_layers: 'whole steps: test/steps/oracle.test.ts',
  fused_layers_cpu: 'whole steps: test/steps/oracle.test.ts',
  fused_top: 'whole steps: test/steps/oracle.test.ts',
  fused_top_cpu: 'whole steps: test/steps/oracle.test.ts',
  peak_fma: 'measures the device',
  peak_copy: 'measures the device',
  tick: 'measures the device',
  empty: 'measures the device',
};

it('has every kernel in the fixture, or a reason why not', () => {
  const tested = new Set(operatorCases.flatMap(({ chain }) => chain.flat()));
  const missing = kernels.map(({ file }) => file).filter((file) => !tested.has(file));
  expect(missing.sort()).toEqual(Object.keys(NO_COUNTERPART).sort());
});
