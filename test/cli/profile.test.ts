import { readFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, it } from 'vitest';
import type { KernelRecord, ProfileRecord } from '../../src/report/profile/record.ts';
import type { Trace } from '../../src/report/profile/trace.ts';
import { wellFormed } from '../report/report-xml.ts';
import { tinyFiles, useCli, useFolder, writeAll } from '../support/cli.ts';

const cli = useCli();
const temp = useFolder();

beforeAll(async () => {
  await mkdir(temp.join('tiny'));
  await writeAll(temp.join('tiny'), tinyFiles());
});

const docs = resolve(import.meta.dirname, '../../docs');
const schema = (name: string) => JSON.parse(readFileSync(join(docs, name), 'utf8'));
const validate = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true })
  .addSchema(schema('record.schema.json'), 'record.schema.json')
  .compile(schema('profile.schema.json'));

/** Fails unless a profile keeps to docs/profile.schema.json; returns it. */
function expectProfile<T extends ProfileRecord | KernelRecord>(text: string): T {
  const record = JSON.parse(text);
  validate(record);
  expect(validate.errors).toBeNull();
  return record;
}

const profile = (...args: string[]) => ['profile', '--data', temp.join('tiny'), ...args];
/** Where a step first meets a layer. */
const first = ({ dispatches }: ProfileRecord['methods'][number], layer: string): number =>
  dispatches.findIndex(({ label }) => label.startsWith(`${layer}.`));

const SMALL = ['--hidden', '16', '--batch', '32', '--layers', '3', '--seed', '5', '--schedule', 'layered'];

const FUSED = ['--schedule', 'fused'];

describe('profile', () => {
  it('checks, measures the roof, and tells by kernel, by layer and as a whole; files as asked for', async () => {
    const [trace, roofline] = [temp.join('trace.json'), temp.join('roofline.svg')];
    const files = ['--trace', trace, '--roofline', roofline];
    const { code, stdout, stderr } = await cli.run(
      profile('--methods', 'cdni', '--steps', '3', '--json', ...SMALL, ...files),
    );
    expect(code).toBe(0);
    const record = expectProfile<ProfileRecord>(stdout);
    expect(record.config).toEqual({
      ...{ methods: ['cdni'], schedule: 'layered', steps: 3, batch: 32, hidden: 16, layers: 3, seed: 5 },
      ...{ optimizer: 'adam', data: expect.any(String) },
    });
    expect(record.device).toMatchObject({ kind: 'cpu', origin: 'carried' });
    expect(record.timing).toBe('timestamps');
    const [cdni] = record.methods;
    expect(cdni).toMatchObject({ method: 'cdni', schedule: 'layered', steps: 3 });
    expect(cdni!.check).toMatchObject({ passed: true, shape: { batch: 32, hidden: 16, layers: 3 } });
    expect(cdni!.timestamps).toMatchObject({ pairs: 3 * cdni!.dispatchesPerStep });
    expect(cdni!.dispatches).toHaveLength(cdni!.check.dispatches);
    expect(cdni!.layers.map(({ name }) => name)).toEqual(
      ['batch', 'layer1', 'sg1', 'layer2', 'layer3', 'loss', 'sg2', 'step'].sort(
        (a, b) => first(cdni!, a) - first(cdni!, b),
      ),
    );

    // What people read goes to stderr, in this order: on what, checks, roof, tables, the step as a whole.
    expect(stderr).toMatch(
      /^SwiftShader .*a CPU driver, whose times say nothing about GPUs.*\nchecked cDNI: [\s\S]*\nsyngrad .*, commit .*\n.*\bbatch 32, 3 layers, 16 units, adam, seed 5; times by timestamps.*\nRoof: .*\ncDNI, layered, a step by kernel \(medians of 3 profiled steps\)\n[\s\S]*matmul_nn_cpu[\s\S]*a step by layer[\s\S]*layer1[\s\S]*steps\/s, unprofiled[\s\S]*\ncDNI, layered: the kernels take /,
    );
    expect(stderr).toContain(`written: ${trace}, ${roofline}\n`);
    const { traceEvents }: Trace = JSON.parse(await readFile(trace, 'utf8'));
    const queued = traceEvents.filter((e) => e.ph === 'X' && e.cat === 'matmul_nn_cpu');
    // In the queue and in their layers.
    const products = cdni!.kernels.find(({ name }) => name === 'matmul_nn_cpu')!.calls;
    expect(queued).toHaveLength(2 * 3 * products);
    const svg = await readFile(roofline, 'utf8');
    wellFormed(svg);
    expect(svg).toContain('matmul_nn_cpu');
  });

  it('runs one kernel alone, checked and timed both ways, with the constants asked for', async () => {
    const args = [
      '--kernel',
      'matmul_nn_cpu',
      '--shape',
      '33x20x40',
      '--variant',
      'COLS=64,LANES=16',
      '--seed',
      '7',
    ];
    const { code, stdout, stderr } = await cli.run(['profile', ...args, '--json']);
    expect(code).toBe(0);
    const record = expectProfile<KernelRecord>(stdout);
    expect(record).toMatchObject({ kind: 'kernel', seed: 7, timing: 'timestamps' });
    expect(record.runs).toHaveLength(1);
    expect(record.runs[0]).toMatchObject({
      kernel: 'matmul_nn_cpu',
      path: 'shaders/matmul_nn_cpu.wgsl',
      // With other constants it is no rung.
      rung: null,
      params: { M: 33, K: 20, N: 40 },
      constants: { COLS: 64, LANES: 16, ROWS: 8 },
      grid: [1, 5],
      labels: [],
      check: { params: { M: 33, K: 20, N: 40 }, tensors: 1 },
      row: { calls: 1, flops: 2 * 33 * 20 * 40, bytes: 4 * (33 * 20 + 20 * 40 + 33 * 40) },
    });
    expect(stderr).toMatch(
      /M 33, K 20, N 40[\s\S]*LANES 16, ROWS 8, COLS 64[\s\S]*1 tensor against the float64 twin/,
    );
  });

  it('runs a kernel at the shapes of a step, by the wall clock where it is told to', async () => {
    const args = ['--kernel', 'adam', '--methods', 'bp', '--no-timestamps', ...SMALL];
    const { code, stdout } = await cli.run(profile(...args, '--json', '--quiet'));
    expect(code).toBe(0);
    const record = expectProfile<KernelRecord>(stdout);
    expect(record.timing).toBe('slopes');
    expect(record.runs.map(({ params, labels }) => [params.n, labels])).toEqual([
      [64 * 16, ['layer1.W.adam']],
      [16, ['layer1.gamma.adam', 'layer1.beta.adam', 'layer2.gamma.adam', 'layer2.beta.adam']],
      [16 * 16, ['layer2.W.adam']],
      [16 * 10, ['layer3.W.adam']],
      [10, ['layer3.bias.adam']],
    ]);
    expect(record.runs.every(({ stamped, timestamps }) => stamped === null && timestamps === null)).toBe(
      true,
    );
  });

  it('runs a dispatch of a fused schedule alone, by its label, and tells its shape role by role', async () => {
    const sizes = ['--hidden', '16', '--batch', '32', '--layers', '4', '--schedule', 'fused'];
    const args = ['--kernel', 'fused_layers_cpu', '--shape', 'layer2.backward', '--methods', 'bp', ...sizes];
    const { code, stdout, stderr } = await cli.run(profile(...args, '--json'));
    expect(code).toBe(0);
    const { runs } = expectProfile<KernelRecord>(stdout);
    expect(runs.map(({ labels }) => labels)).toEqual([['layer2.backward']]);
    expect(runs[0]!.parts!.map(({ of, role, shape }) => [of, role, shape])).toEqual([
      ['layer3', 'GRAD', '16x32x16'],
      ['layer2', 'PULL', '32x16x16'],
    ]);
    expect(stderr).toMatch(/ shape +│ GRAD layer3 16x32x16; PULL layer2 32x16x16 +│/);
    expect(stderr).not.toContain('at_affine');
  });

  it('says on stderr why a method has another schedule, even with --quiet', async () => {
    const args = ['--methods', 'bp', '--schedule', 'wave', '--steps', '1', '--layers', '2', '--hidden', '16'];
    const { code, stdout, stderr } = await cli.run(profile(...args, '--no-timestamps', '--json', '--quiet'));
    expect(code).toBe(0);
    expect(stderr).toBe('backprop runs fused: bp has no wave: its layers wait for each other\n');
    expect(expectProfile<ProfileRecord>(stdout).methods.map(({ schedule }) => schedule)).toEqual(['fused']);
  });
});

// Through the whole program, where a device says what is wrong; profile-options.test.ts has all other wrong options.
describe('is refused in one sentence', () => {
  it.concurrent.each([
    [['--kernel', 'nope'], /^--kernel: expected one of adam, .*, tick, found 'nope'$/],
    [['--kernel', 'adam', '--shape', '5', '--adapter', 'no such'], /^no WebGPU adapter matches 'no such' /],
    [
      ['--kernel', 'matmul_nn', '--shape', '9x9x9', '--variant', 'TILE_M=512,TILE_N=512'],
      /^--variant TILE_M=512,TILE_N=512: matmul_nn is not valid with it: shaders\/matmul_nn\.wgsl/,
    ],
    [
      ['--kernel', 'matmul_nn', '--shape', '9x9x9', '--variant', 'TILE_M=7'],
      /^--variant TILE_M=7: matmul_nn is not valid with it: .* const assertion failed \(\d+ \| const_assert .*\)$/,
    ],
    [
      ['--kernel', 'matmul_nn', '--shape', '100000x100000x100000'],
      /^--shape: expected sizes that SwiftShader .* has room for, up to \S+ GiB in 3 buffers, found 112 GiB$/,
    ],
    [
      ['--kernel', 'matmul_nn', '--shape', '20000x20000x20000'],
      /^--shape: (a needs .* but the limit|expected sizes that SwiftShader)/,
    ],
    [
      ['--kernel', 'matmul_vec4', '--shape', '9x9x9'],
      /^--shape: matmul_vec4: K and N must be multiples of 4, got K = 9, N = 9$/,
    ],
    [
      ['--kernel', 'mix', '--methods', 'bp', ...SMALL],
      /^--kernel mix: no step of bp has it on SwiftShader .*; --shape says at which shape to run it alone$/,
    ],
    [
      ['--kernel', 'fused_layers', '--shape', 'layer1.forward', '--methods', 'bp', ...SMALL, ...FUSED],
      /^--kernel fused_layers: no step of bp has it on SwiftShader .*; what they have is fused_layers_cpu$/,
    ],
    [
      ['--kernel', 'fused_top_cpu', '--shape', '9x9', '--methods', 'bp', ...SMALL, ...FUSED],
      /^--shape: expected a dispatch of fused_top_cpu in the steps of bp, which are top\.loss, found '9x9'$/,
    ],
  ] as const)('%j', async (args, message) => {
    const { code, stdout, stderr } = await cli.run(profile(...args), { cwd: temp.path });
    expect(stderr).toMatch(/^syngrad: [^\n]+\n$/);
    expect(stderr.slice('syngrad: '.length, -1)).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });
});
