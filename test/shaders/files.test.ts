import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { shaderSource } from '#shaders';
import { readConstants } from '../../src/gpu/shader.ts';
import { kernels } from '../../src/kernels/index.ts';
import { smallCases } from '../support/cases.ts';

const root = new URL('../../', import.meta.url);
const inRoot = (path: string): string => fileURLToPath(new URL(path, root));
const files = readdirSync(inRoot('shaders')).filter((name) => name.endsWith('.wgsl'));
const cases = smallCases(1);

describe('the folder shaders/', () => {
  it('holds one file for each kernel of the registry, and no other', () => {
    expect(files.sort()).toEqual(kernels.map((spec) => `${spec.file}.wgsl`).sort());
  });

  it('is what #shaders reads in Node', () => {
    for (const { file } of kernels) {
      expect(shaderSource(file)).toBe(readFileSync(inRoot(`shaders/${file}.wgsl`), 'utf8'));
    }
    expect(() => shaderSource('no_such_kernel')).toThrow('no_such_kernel.wgsl');
  });
});

describe.each(kernels.map((spec) => [spec.file, spec] as const))('%s.wgsl', (file, spec) => {
  const source = shaderSource(file);
  const lines = source.split('\n');
  const header = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('//')),
  );
  const code = lines.map((line) => line.replace(/\/\/.*/, '')).join('\n');

  it('is ASCII and ends with one line feed', () => {
    // The source in bytes, so that nothing is lost by decoding it.
    const bytes = readFileSync(inRoot(`shaders/${file}.wgsl`));
    expect(bytes.filter((b) => b !== 0x0a && (b < 0x20 || b > 0x7e))).toHaveLength(0);
    expect(source).toMatch(/[^\n]\n$/);
  });

  it('opens with its own name and what it does', () => {
    expect(header[0]).toMatch(new RegExp(`^// ${file}: \\S`));
  });

  it('names its grid, a twin that exists and a page of the docs that exists', () => {
    const contract = header.join('\n');
    expect(contract).toMatch(/ grid: \S/);
    const twin = /twin: (src\/reference\/[\w/-]+\.ts)\b/.exec(contract)?.[1];
    const maths = /maths: (docs\/[\w-]+\.md)\b/.exec(contract)?.[1];
    expect(twin).toBeDefined();
    expect(maths).toBeDefined();
    expect(existsSync(inRoot(twin!)), twin).toBe(true);
    expect(existsSync(inRoot(maths!)), maths).toBe(true);
  });

  it('has every constant that its grid is computed from', () => {
    const constants = readConstants(source);
    const asked: string[] = [];
    const recording = new Proxy(constants, {
      get(target, name) {
        asked.push(String(name));
        return Reflect.get(target, name);
      },
    });
    const grid = spec.grid(cases[file]!.params, recording);
    expect(asked.filter((name) => !(name in constants))).toEqual([]);
    for (const n of grid) expect(Number.isInteger(n) && n >= 1, `grid ${grid}`).toBe(true);
  });

  it('has no overrides, templates, preprocessor or extensions, and subgroups only for CPU drivers', () => {
    expect(code).not.toMatch(/\boverride\b|\{\{|^\s*#|\brequires\b/m);
    // A subgroup's size is the device's, and only that of a CPU driver is known; no other extension at all.
    const plain = file.endsWith('_cpu') ? code.replace(/^enable subgroups;$/m, '') : code;
    expect(plain).not.toMatch(/\benable\b/);
    if (!file.endsWith('_cpu')) expect(code).not.toMatch(/\bsubgroup/);
  });

  it('has no atomics but words that are loaded and stored whole, whose order decides nothing', () => {
    expect(code.replace(/\batomic<u32>|\batomic(Load|Store)\(/g, '')).not.toMatch(/\batomic/);
  });
});
