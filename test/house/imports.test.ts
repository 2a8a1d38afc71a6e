import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const sources = ['src', 'bench'].flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(root, room, file)),
);

/** The rooms of the house from the ground up. A file imports from its own floor and from those below. */
const FLOORS = [
  ['src/errors.ts', 'src/files.ts'],
  ['src/reference'],
  ['src/gpu', 'src/tensor.ts'],
  ['src/kernels'],
  ['src/data'],
  ['src/nn'],
  ['src/train'],
  ['src/report'],
  ['bench'],
  ['src/index.ts', 'src/cli'],
];

function floorOf(path: string): number {
  const inside = relative(root, path).replaceAll('\\', '/');
  const floor = FLOORS.findIndex((rooms) =>
    rooms.some((room) => inside === room || inside.startsWith(`${room}/`)),
  );
  if (floor < 0) throw new Error(`${inside} is in no room of the house`);
  return floor;
}

const GPU_FLOOR = floorOf(join(root, 'src/gpu/gpu.ts'));

const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?'(\.[^']+)'/g)].map((match) => match[1]!);

const named = (paths: readonly string[]) => paths.map((path) => [relative(root, path), path] as const);

it.each(named(sources))('%s imports from its own floor or below', (_, path) => {
  const upwards = importsOf(readFileSync(path, 'utf8'))
    .map((specifier) => resolve(dirname(path), specifier))
    .filter((target) => floorOf(target) > floorOf(path))
    .map((target) => relative(root, target));
  expect(upwards).toEqual([]);
});

it.each(named(sources.filter((path) => floorOf(path) !== GPU_FLOOR)))(
  '%s leaves WebGPU to src/gpu',
  (_, path) => {
    const code = readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    expect(code.match(/\bGPU[A-Z]\w+|\bgpu\.device\b|navigator\.gpu|from 'webgpu'/g)).toBeNull();
  },
);

it.each(named(sources))('%s is no longer than 320 lines', (_, path) => {
  expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThanOrEqual(320);
});

it('reference twins import nothing but each other', () => {
  const floor = floorOf(join(root, 'src/reference/twin.ts'));
  for (const path of sources.filter((file) => floorOf(file) === floor)) {
    const targets = importsOf(readFileSync(path, 'utf8')).map((specifier) =>
      resolve(dirname(path), specifier),
    );
    expect(targets.filter((target) => floorOf(target) !== floor)).toEqual([]);
  }
});
