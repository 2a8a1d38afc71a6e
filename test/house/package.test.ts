import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { extract } from 'tar';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const env = { ...process.env, SYNGRAD_ADAPTER: 'carried' };

/** A project of somebody else's, with syngrad installed from its package. */
let project = '';

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'syngrad-package-'));
  await run('npm', ['run', 'build'], { cwd: root });
  // Packed without its scripts: npm may be told to say less or more while they run.
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], {
    cwd: root,
  });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  const modules = join(project, 'node_modules');
  await mkdir(join(modules, 'syngrad'), { recursive: true });
  await extract({ file: join(project, filename), cwd: join(modules, 'syngrad'), strip: 1 });
  // What npm install would fetch is linked from here, so that the test needs no network.
  const { dependencies, optionalDependencies } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  );
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    if (name.includes('/')) await mkdir(join(modules, name.split('/')[0]!), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(modules, name));
  }
  await writeFile(join(project, 'package.json'), '{ "type": "module" }\n');
}, 120_000);

afterAll(async () => {
  await rm(project, { recursive: true, force: true });
});

/** The example in the README. */
async function example(): Promise<string> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const found = [...readme.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => match[1]!);
  const [code] = found.filter((text) => text.includes("from 'syngrad'"));
  if (code === undefined) throw new Error('README.md has no example');
  return code;
}

it("the README's example runs from the built package and learns", async () => {
  await writeFile(join(project, 'example.js'), await example());
  const { stdout } = await run(process.execPath, ['example.js'], { cwd: project, env });
  const accuracy = Number(/test accuracy ([\d.]+)/.exec(stdout)?.[1]);
  expect(accuracy).toBeGreaterThan(0.9);
});

it("the README's example is typed", async () => {
  await writeFile(join(project, 'example.ts'), await example());
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', ''];
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await expect(
    run(process.execPath, [tsc, ...options, 'example.ts'], { cwd: project }),
  ).resolves.toMatchObject({
    stdout: '',
  });
  // And wrong use is refused.
  await writeFile(join(project, 'wrong.ts'), (await example()).replace(/steps: \d+/, "steps: 'many'"));
  await expect(run(process.execPath, [tsc, ...options, 'wrong.ts'], { cwd: project })).rejects.toMatchObject({
    stdout: expect.stringContaining("Type 'string' is not assignable to type 'number'"),
  });
});

it("the example of a predictor of one's own runs, is typed, and learns", async () => {
  const name = 'own-predictor.ts';
  await copyFile(join(root, 'examples', name), join(project, name));
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', ''];
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...options, name], {
    cwd: project,
  });
  const tsx = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href;
  const { stdout } = await run(process.execPath, ['--import', tsx, name], { cwd: project, env });
  // Only the output layer learning reaches 0.65 here.
  expect(Number(/test accuracy ([\d.]+)/.exec(stdout)?.[1])).toBeGreaterThan(0.75);
});

it('the built command line runs', async () => {
  const main = join(project, 'node_modules/syngrad/dist/src/cli/main.js');
  const { stdout } = await run(process.execPath, [main, 'devices', '--json'], { cwd: project, env });
  expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ origin: 'carried' }));
});

it('the package holds what runs and nothing else', async () => {
  const top = await readdir(join(project, 'node_modules/syngrad'));
  expect(top.sort()).toEqual(['LICENSE', 'README.md', 'dist', 'docs', 'package.json', 'shaders']);
});
