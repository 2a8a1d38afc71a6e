import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { paramsFromShape, shapeForm } from '../../bench/profile-inputs.ts';
import { kernelNamed } from '../../bench/profile-kernel.ts';
import { busySentences } from '../../src/cli/busy.ts';
import { addProfileCommand, expectTimestamps, variant } from '../../src/cli/profile.ts';
import { InputError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';

/** Hands options to the command, as the command line does; none of these get as far as a device. */
async function run(...args: string[]): Promise<void> {
  const program = new Command().exitOverride();
  addProfileCommand(program, () => {});
  await program.parseAsync(['profile', ...args], { from: 'user' });
}

describe('options that are wrong, or do not go together, are refused', () => {
  it.each([
    [['--steps', '0'], /^--steps: expected a whole number from 1 to 1000, found '0'$/],
    [['--layers', '1'], /^--layers: expected a whole number from 2 to 32, found '1'$/],
    [['--methods', 'magic'], /^--methods: expected methods among bp, .*, found 'magic'$/],
    [['--schedule', 'fast'], /^--schedule: expected one of layered, fused, wave, best, found 'fast'$/],
    [['--trace', ''], /^--trace: expected some text, found none$/],
    [['--kernel', 'nope'], /^--kernel: expected one of adam, .*, tick, found 'nope'$/],
    [['--shape', '3'], /^--shape: expected --kernel beside it, found none$/],
    [['--variant', 'WG=32'], /^--variant: expected --kernel beside it, found none$/],
    [['--kernel', 'adam', '--variant', 'wg:3'], /^--variant: expected constants such as .*, found 'wg:3'$/],
    [
      ['--kernel', 'adam', '--variant', 'WG=0'],
      /^--variant WG: expected a whole number from 1 .*, found '0'$/,
    ],
    [
      ['--kernel', 'adam', '--variant', 'WG=8,WG=9'],
      /^--variant: expected each constant once, found 'WG' twice$/,
    ],
    [
      ['--kernel', 'adam', '--variant', 'TILE=8'],
      /^--variant: expected constants of adam \(WG\), found 'TILE'$/,
    ],
    [
      ['--kernel', 'matmul_nn', '--shape', '3x4'],
      /^--shape: expected MxKxN, such as 256x784x256, for matmul_nn, found '3x4'$/,
    ],
    [
      ['--kernel', 'batchnorm_forward', '--shape', '8x0'],
      /^--shape: expected BxF, such as 256x256, for batchnorm_forward, found '8x0'$/,
    ],
    [
      ['--kernel', 'adam', '--shape', '5', '--trace', 't'],
      /^--trace: expected steps to trace, found --kernel, /,
    ],
    [['--no-timestamps', '--trace', 't'], /^--trace: expected timestamps .*, found --no-timestamps$/],
    [
      ['--roofline', 'none/of/it.svg'],
      /^--roofline none\/of\/it\.svg: expected a file .* it cannot \(ENOENT\)$/,
    ],
    [['--trace', 'src'], /^--trace src: expected a file that can be written, found a folder$/],
    [
      ['--trace', 't.json', '--roofline', './t.json'],
      /^--roofline: expected another file than that of --trace, found \.\/t\.json for both$/,
    ],
    [['--trace', 'none/of/it.json'], /^--trace none\/of\/it\.json: expected a file .* it cannot \(ENOENT\)$/],
  ] as const)('%j', async (args, message) => {
    const refused = run(...args);
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow(message);
  });
});

describe('--trace', () => {
  /** As much of a device as is asked. */
  const deviceWith = (...features: string[]) =>
    ({ info: { name: 'Tester 9000' }, device: { features: new Set(features) } }) as unknown as Gpu;

  it('is refused on a device that has no timestamps', () => {
    expect(() => expectTimestamps(deviceWith('subgroups'))).toThrow(
      new InputError(
        '--trace: expected a device with timestamps, found Tester 9000, which has no timestamp-query',
      ),
    );
    expect(() => expectTimestamps(deviceWith('subgroups', 'timestamp-query'))).not.toThrow();
  });
});

it('a busy machine is said to be one, in the words of the suites', () => {
  expect(busySentences({ cpus: 2, load: 0.2 })).toEqual([]);
  expect(busySentences({ cpus: 2, load: 1.26 })).toEqual([
    'this machine is busy: a load of 1.3 on 2 processors; times will be too long, and scatter',
  ]);
});

it('a variant is constants by name', () => {
  expect(variant('TILE_M=64, TILE_N=32')).toEqual({ TILE_M: 64, TILE_N: 32 });
});

describe('a shape', () => {
  const params = (kernel: string, shape: string) => paramsFromShape(kernelNamed(kernel), shape);

  it('is read in the order of a kernel, and the rest is as in training', () => {
    expect(params('matmul_tn', '3x4x5')).toEqual({ M: 3, K: 4, N: 5 });
    expect(params('batchnorm_stats', '6x7')).toEqual({ B: 6, F: 7, eps: 1e-5, momentum: 0.1 });
    // Bytes are packed four to a word.
    expect(params('gather_bytes', '8x9')).toEqual({ B: 8, I: 9, words: 3, scale: 1 / 256 });
    expect(params('step_advance', '1')).toEqual({});
  });

  it('is written as a kernel names its sizes', () => {
    const forms = ['matmul_nn', 'bias_add', 'relu_forward', 'label_rows_grad', 'delay_line', 'step_advance'];
    expect(forms.map((name) => shapeForm(kernelNamed(name)))).toEqual([
      ...['MxKxN', 'BxF', 'n', 'BxFxC', 'nxdelay', ''],
    ]);
  });

  it('of a kernel without sizes is 1, and of one that is a whole step the label of a dispatch', () => {
    expect(() => params('step_advance', '7')).toThrow(
      "--shape: expected 1, since it has no sizes, for step_advance, found '7'",
    );
    expect(() => params('fused_layers', '7')).toThrow(
      /^--shape 7: expected the label of a dispatch for fused_layers, whose buffers cannot be made up from a few numbers$/,
    );
  });
});
