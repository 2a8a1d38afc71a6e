import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, describe as group, test, vi } from 'vitest';
import type { AdapterInfo, FoundAdapter } from '../../src/gpu/adapters.ts';
import { carriedDriver } from '../../src/gpu/carried-driver.ts';
import { chooseAdapter, listAdapters } from '../../src/gpu/instance.node.ts';

// The carried driver is x86-64 Linux only; elsewhere these have nothing to test.
const hasCarried = process.platform === 'linux' && process.arch === 'x64';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'syngrad-test-'));
  // The tests run with SYNGRAD_ADAPTER set to try each driver in turn; here it would change what is tested.
  vi.stubEnv('SYNGRAD_ADAPTER', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true, force: true });
});

/**
 * Runs module code in a process of its own and returns what it prints; fails if that process does not end.
 */
async function child(code: string, env: NodeJS.ProcessEnv): Promise<string> {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', code];
  // A guard against one that hangs, on a machine that is busy with other things.
  const options = { env: { ...process.env, ...env }, timeout: 100_000 };
  return (await promisify(execFile)(process.execPath, args, options)).stdout.trim();
}

const source = (file: string) => JSON.stringify(new URL(`../../src/gpu/${file}`, import.meta.url).href);

/** Doubles 64 numbers on the adapter's device. */
async function doubled({ request }: FoundAdapter): Promise<number[]> {
  const { adapter } = await request();
  const device = await adapter.requestDevice();
  try {
    const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const buffer = device.createBuffer({ size: 256, usage: STORAGE | COPY_SRC | COPY_DST });
    const read = device.createBuffer({ size: 256, usage: COPY_DST | MAP_READ });
    device.queue.writeBuffer(
      buffer,
      0,
      Float32Array.from({ length: 64 }, (_, i) => i),
    );
    const code = `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
      @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { x[id.x] *= 2; }`;
    const module = device.createShaderModule({ code });
    const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
    const entries = [{ binding: 0, resource: { buffer } }];
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(buffer, 0, read, 0, 256);
    device.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    return [...new Float32Array(read.getMappedRange())];
  } finally {
    device.destroy();
  }
}

const evens = Array.from({ length: 64 }, (_, i) => 2 * i);

group.runIf(hasCarried)('the carried driver, on disk', () => {
  test('is unpacked once into the cache folder, and mended when a file is damaged', async () => {
    vi.stubEnv('XDG_CACHE_HOME', scratch);
    const { icd, loader } = (await carriedDriver())!;
    expect(icd.startsWith(join(scratch, 'syngrad', 'swiftshader-'))).toBe(true);
    const { size, ino } = statSync(loader);

    expect(await carriedDriver()).toEqual({ icd, loader });
    expect(statSync(loader).ino).toBe(ino);

    truncateSync(loader, 1000);
    expect(await carriedDriver()).toEqual({ icd, loader });
    expect(statSync(loader).size).toBe(size);
    expect(readdirSync(dirname(dirname(loader)))).toHaveLength(1);
  });

  test('goes to the temporary folder where the cache cannot be written', async () => {
    vi.stubEnv('XDG_CACHE_HOME', '/dev/null/cache');
    vi.stubEnv('TMPDIR', scratch);
    const { loader } = (await carriedDriver())!;
    expect(loader.startsWith(join(scratch, `syngrad-${process.getuid?.()}`, 'swiftshader-'))).toBe(true);
    expect(statSync(loader).size).toBeGreaterThan(100_000);
  });

  test('is not loaded from a temporary folder that others may write to', async () => {
    vi.stubEnv('XDG_CACHE_HOME', '/dev/null/cache');
    vi.stubEnv('TMPDIR', scratch);
    const open = join(scratch, `syngrad-${process.getuid?.()}`);
    mkdirSync(open);
    chmodSync(open, 0o777);
    const { loader } = (await carriedDriver())!;
    expect(loader.startsWith(`${open}/`)).toBe(false);
    expect(readdirSync(open)).toEqual([]);
  });

  test('survives two processes that unpack it at the same time', async () => {
    const code = `import { listAdapters } from ${source('instance.node.ts')};
      const found = (await listAdapters()).find(({ info }) => info.origin === 'carried');
      const { adapter } = await found.request();
      (await adapter.requestDevice()).destroy();
      console.log(found.info.name);`;
    const run = () => child(code, { XDG_CACHE_HOME: scratch });
    const names = await Promise.all([run(), run()]);
    expect(names[0]).toContain('SwiftShader');
    expect(names[1]).toBe(names[0]);
    expect(readdirSync(join(scratch, 'syngrad'))).toHaveLength(1);
  });
});

group('the adapters of this machine', () => {
  test('come in order, and each one computes', async () => {
    const found = await listAdapters();
    const rank = ({ kind, origin }: AdapterInfo) => (kind === 'gpu' ? 0 : origin === 'system' ? 1 : 2);
    const ranks = found.map(({ info }) => rank(info));
    expect(ranks).toEqual([...ranks].sort());
    for (const each of found) {
      expect(each.info.name).not.toBe('');
      expect(await doubled(each)).toEqual(evens);
      // A second request is for an adapter of its own.
      expect(await doubled(each)).toEqual(evens);
    }
    if (found.length > 0) expect((await chooseAdapter()).info).toEqual(found[0].info);
  });

  test.runIf(hasCarried)(
    'have the carried one among them, chosen by name, word or SYNGRAD_ADAPTER',
    async () => {
      const before = { ...process.env };
      expect((await listAdapters()).filter(({ info }) => info.origin === 'carried')).toHaveLength(1);
      const flags = ['enable-dawn-features=skip_validation'];
      const { info } = await chooseAdapter({ adapter: 'carried', flags });
      expect(info).toMatchObject({ kind: 'cpu', origin: 'carried', vendor: 'google', backend: 'vulkan' });
      expect(info.driver).toMatch(/SwiftShader driver \d/);
      expect((await chooseAdapter({ adapter: 'swiftSHADER' })).info.name).toBe(info.name);
      expect(process.env).toEqual(before);
      vi.stubEnv('SYNGRAD_ADAPTER', 'carried');
      expect((await chooseAdapter()).info).toEqual(info);
    },
  );

  test.runIf(hasCarried)('that match none are told in one sentence', async () => {
    await expect(chooseAdapter({ adapter: 'voodoo 3' })).rejects.toThrow(
      /^no WebGPU adapter matches 'voodoo 3'.*SwiftShader[^\n]*$/,
    );
    vi.stubEnv('SYNGRAD_ADAPTER', 'voodoo 3');
    await expect(chooseAdapter()).rejects.toThrow('from SYNGRAD_ADAPTER');
  });

  test.runIf(hasCarried)("are the carried one alone where the system's drivers are hidden", async () => {
    const code = `import { listAdapters } from ${source('instance.node.ts')};
      const infos = (await listAdapters()).map(({ info }) => info.origin);
      console.log(JSON.stringify([infos, process.env.VK_DRIVER_FILES]));`;
    const printed = JSON.parse(await child(code, { VK_DRIVER_FILES: '/nonexistent' }));
    expect(printed).toEqual([['carried'], '/nonexistent']);
  });

  // Node refuses every library but its own modules, loaded or not; other runtimes say so in other words.
  test.runIf(hasCarried).each<[what: string, refuse: string, Deno: string, found: string[]]>([
    ['loads, in words that nobody knows', 'load(path); throw new Error("Invalid path")', '', ['carried']],
    ['does not load, in the words for one that does', 'throw new Error("did not self-register")', '', []],
    ['loads by the call that Deno has', 'throw new Error("Invalid path")', '{ dlopen: load }', ['carried']],
  ])('are looked for with a loader that %s', async (_, refuse, Deno, found) => {
    const code = `import { listAdapters } from ${source('instance.node.ts')};
      const { dlopen } = process;
      const load = (path) => { try { dlopen({ exports: {} }, path, 0x1002) } catch {} };
      process.dlopen = (module, path, ...flags) => {
        if (path.endsWith('.node')) return dlopen(module, path, ...flags);
        ${refuse};
      };
      ${Deno && `globalThis.Deno = ${Deno};`}
      console.log(JSON.stringify((await listAdapters()).map(({ info }) => info.origin)));`;
    expect(JSON.parse(await child(code, { VK_DRIVER_FILES: '/nonexistent' }))).toEqual(found);
  });

  test('are not looked for on import, which neither loads Dawn nor touches the globals', async () => {
    const code = `await import(${source('instance.node.ts')});
      const { sharedObjects } = process.report.getReport();
      console.log(typeof GPUBufferUsage, sharedObjects.some((path) => path.includes('dawn')));`;
    expect(await child(code, {})).toBe('undefined false');
  });
});
