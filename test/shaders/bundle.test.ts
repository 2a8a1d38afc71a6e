import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { shaderSource as inNode } from '#shaders';
import { kernels } from '../../src/kernels/index.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
let folder: string;
let bundled: { shaderSource(name: string): string; code: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'syngrad-bundle-'));
  const entry = join(root, 'test/support/bundle-entry.ts');
  const result = await build({
    root,
    configFile: false,
    logLevel: 'silent',
    build: { write: false, minify: false, lib: { entry, formats: ['es'], fileName: 'out' } },
  });
  const [output] = [result].flat() as { output: { code?: string }[] }[];
  expect(output!.output).toHaveLength(1);
  const code = output!.output[0]!.code!;
  const file = join(folder, 'out.mjs');
  writeFileSync(file, code);
  bundled = { ...(await import(pathToFileURL(file).href)), code };
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a bundle for the browser holds every shader, letter for letter', () => {
  for (const { file } of kernels) expect(bundled.shaderSource(file), file).toBe(inNode(file));
});

it('and nothing that only Node has', () => {
  expect(bundled.code).not.toMatch(/node:|\brequire\(|\bimport\b/);
});

it('and says which shader it lacks', () => {
  expect(() => bundled.shaderSource('no_such')).toThrow('shaders/no_such.wgsl is not in this bundle');
});
