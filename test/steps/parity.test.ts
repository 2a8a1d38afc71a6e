import { describe, expect, test } from 'vitest';
import { useDevice } from '../support/device.ts';
import { expectParity, SMALL } from '../support/parity.ts';

const device = useDevice();

const cases = [
  { ...SMALL, layers: 2 },
  { ...SMALL, layers: 3 },
  { ...SMALL, layers: 4 },
  { ...SMALL, layers: 8, hidden: 11, pairs: 2 },
  // The paper's shape. The second step is the first whose synthetic gradients are not zero.
  { inputs: 784, hidden: 256, classes: 10, batchSize: 256, layers: 4, steps: 2, pairs: 1 },
];

describe.each(['bp', 'cdni'])('%s against its float64 twin', (rule) => {
  test.each(cases)('$layers layers, $inputs-$hidden, batch $batchSize, $steps steps', async (c) => {
    const { idleSteps } = await expectParity(device.gpu, { ...c, rule });
    expect(idleSteps).toBe(0);
  });
});
