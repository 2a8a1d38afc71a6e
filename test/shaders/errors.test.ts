import { describe, expect, it, vi } from 'vitest';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import { reluForward } from '../../src/kernels/relu.ts';

const texts = vi.hoisted(() => new Map<string, string>());
vi.mock('../../shaders/node.js', async (original) => {
  const real = await original<typeof import('#shaders')>();
  return { shaderSource: (name: string) => texts.get(name) ?? real.shaderSource(name) };
});

// The tests' set-up has loaded the engine with the real shaders; this file needs one that sees the texts above.
vi.resetModules();
const { formatShaderMessage, readConstants, ShaderError, withConstants } = await import(
  '../../src/gpu/shader.ts'
);
const { useNullDevice } = await import('../support/null-device.ts');

const device = useNullDevice();

const SHADER = `// broken: a shader for this test
const WG: u32 = 64u;
const TILE_2: u32 = 8u;
const DERIVED = WG / 4u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
`;

describe('constants', () => {
  it('are the lines of the form const NAME: u32 = 16u;', () => {
    expect(readConstants(SHADER)).toEqual({ WG: 64, TILE_2: 8 });
    const others =
      '  const INNER: u32 = 1u;\nconst small: u32 = 2u;\n// const GONE: u32 = 3u;\nconst F: f32 = 4;';
    expect(readConstants(others)).toEqual({});
  });

  it('are rewritten in place, everything else stays', () => {
    const changed = withConstants(SHADER, { WG: 128 }, 'broken');
    expect(changed).toBe(SHADER.replace('= 64u', '= 128u'));
    expect(withConstants(SHADER, {}, 'broken')).toBe(SHADER);
    expect(readConstants(withConstants(SHADER, { WG: 1, TILE_2: 2 }, 'broken'))).toEqual({
      WG: 1,
      TILE_2: 2,
    });
  });

  it('that a shader does not have are an error, even where another name begins alike', () => {
    for (const name of ['TILE', 'TILE_22', 'DERIVED', 'wg']) {
      const message = `shaders/broken.wgsl has no line "const ${name}: u32 = ...u;"`;
      expect(() => withConstants(SHADER, { [name]: 4 }, 'broken')).toThrow(message);
    }
  });

  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('cannot be %d', (value) => {
    const message = `shaders/broken.wgsl: constant WG must be an integer from 0 on, got ${value}`;
    expect(() => withConstants(SHADER, { WG: value }, 'broken')).toThrow(message);
  });
});

describe('a message of the compiler', () => {
  it('is told with file, line, column and the text of the line', () => {
    const message = { message: "unresolved call target 'foo'", lineNum: 3, linePos: 10 };
    expect(formatShaderMessage('relu_forward', 'one\ntwo\n  y[i] = foo(x[i]);\n', message)).toBe(
      "shaders/relu_forward.wgsl:3:10 unresolved call target 'foo'\n  3 |   y[i] = foo(x[i]);",
    );
  });

  it('that belongs to no line is told without its text', () => {
    const message = { message: 'out of memory', lineNum: 0, linePos: 0 };
    expect(formatShaderMessage('f', 'one', message)).toBe('shaders/f.wgsl:0:0 out of memory\n  0 | ');
  });
});

describe('a shader that does not compile', () => {
  const broken = (change: (source: string) => string, real: string): KernelSpec => {
    texts.set('relu_forward', change(real));
    // A spec of its own, so that each test compiles its own text.
    return { ...reluForward } as unknown as KernelSpec;
  };
  const real = async () => {
    const { shaderSource } = await vi.importActual<typeof import('#shaders')>('#shaders');
    return shaderSource('relu_forward');
  };

  it('is a ShaderError that shows the line', async () => {
    const source = await real();
    const spec = broken((s) => s.replace('select(x[i], 0.0, x[i] < 0.0)', 'foo(x[i])'), source);
    const line = source.split('\n').findIndex((text) => text.includes('select(')) + 1;
    const error = await device.gpu.kernel(spec).ready.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ShaderError);
    expect((error as Error).message).toBe(
      `shaders/relu_forward.wgsl:${line}:10 unresolved call target 'foo'\n  ${line} |   y[i] = foo(x[i]);`,
    );
    // It was told through `ready` and nowhere else: nothing is left for the next wait.
    await device.gpu.idle();
  });

  it('is one that does not parse, too', async () => {
    const spec = broken(
      (s) => s.replace('struct Params { n: u32 }', 'struct Params { n: u32 '),
      await real(),
    );
    await expect(device.gpu.kernel(spec).ready).rejects.toThrow(
      /^shaders\/relu_forward\.wgsl:\d+:\d+ .*\n {2}\d+ \| /,
    );
    await device.gpu.idle();
  });

  it('is one whose entry point has another name: told by file, as no line is at fault', async () => {
    const spec = broken((s) => s.replace('fn main(', 'fn start('), await real());
    const { ready } = device.gpu.kernel(spec);
    await expect(ready).rejects.toThrow(ShaderError);
    await expect(ready).rejects.toThrow(/^shaders\/relu_forward\.wgsl: .*main/);
    await device.gpu.idle();
  });

  it('may be one that nobody awaits', async () => {
    const spec = broken((s) => s.replace('u32', 'u33'), await real());
    device.gpu.kernel(spec);
    // Long enough for the rejection to have come; the test runner fails a run with an unhandled one.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await device.gpu.idle();
  });

  it('compiles again when its text is whole', async () => {
    await device.gpu.kernel(broken((s) => s, await real())).ready;
  });
});
