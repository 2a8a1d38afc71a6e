import { expect, describe as group, test } from 'vitest';
import { InputError } from '../../src/errors.ts';
import {
  type AdapterInfo,
  describe,
  inOrder,
  kindOf,
  matches,
  noAdapter,
  pick,
  unmatched,
} from '../../src/gpu/adapters.ts';

const adapter = (info: Partial<AdapterInfo>): { info: AdapterInfo } => ({
  info: {
    kind: 'gpu',
    name: '',
    vendor: '',
    architecture: '',
    driver: '',
    backend: 'vulkan',
    origin: 'system',
    ...info,
  },
});

const nvidia = adapter({ name: 'NVIDIA GeForce RTX 4090', vendor: 'nvidia', driver: 'NVIDIA: 550.54.14' });
const intel = adapter({ name: 'Intel(R) UHD Graphics 770', vendor: 'intel', driver: 'Mesa 25.0.7' });
const apple = adapter({
  name: 'Apple M2',
  vendor: 'apple',
  driver: 'Metal driver on macOS 15',
  backend: 'metal',
});
const lavapipe = adapter({
  kind: 'cpu',
  name: 'llvmpipe (LLVM 19.1.7, 256 bits)',
  vendor: 'mesa',
  driver: 'llvmpipe: Mesa 25.0.7-2~bpo12+1 (LLVM 19.1.7)',
});
const swiftshader = adapter({
  kind: 'cpu',
  name: 'SwiftShader Device (Subzero)',
  vendor: 'google',
  driver: 'SwiftShader driver 5.0.0',
  origin: 'carried',
});
const warp = adapter({
  kind: 'cpu',
  name: 'Microsoft Basic Render Driver',
  vendor: 'microsoft',
  backend: 'd3d12',
});

group('the kind of an adapter', () => {
  test.each([nvidia, intel, apple, lavapipe, swiftshader, warp])(
    '$info.name, by its name alone',
    ({ info }) => {
      expect(kindOf({ isFallbackAdapter: false, name: info.name, driver: info.driver })).toBe(info.kind);
    },
  );

  test('an unknown name that Dawn calls a fallback', () => {
    expect(kindOf({ isFallbackAdapter: true, name: 'Some Rasterizer', driver: '1.0' })).toBe('cpu');
    expect(kindOf({ isFallbackAdapter: false, name: 'Warpdrive GPU', driver: '1.0' })).toBe('gpu');
  });
});

group('the preference', () => {
  test('a GPU, then the CPU driver of the system, then the carried one', () => {
    expect(inOrder([swiftshader, lavapipe, nvidia])).toEqual([nvidia, lavapipe, swiftshader]);
  });

  test("keeps Dawn's order among GPUs and leaves its argument as it was", () => {
    const found = [lavapipe, intel, nvidia];
    expect(inOrder(found)).toEqual([intel, nvidia, lavapipe]);
    expect(found).toEqual([lavapipe, intel, nvidia]);
  });

  test.each([
    ['', nvidia],
    ['gpu', nvidia],
    ['CPU', lavapipe],
    ['system', nvidia],
    ['Carried', swiftshader],
    ['uhd graphics', intel],
    ['nvidia', nvidia],
    ['550.54', nvidia],
    ['LAVAPIPE', lavapipe],
    ['llvmpipe', lavapipe],
    ['mesa', intel],
    ['google', swiftshader],
    ['(subzero)', swiftshader],
    ['voodoo', undefined],
  ])("the text '%s'", (wanted, expected) => {
    expect(pick([swiftshader, lavapipe, intel, nvidia].reverse(), wanted)).toBe(expected);
  });

  test('a word for a kind is not looked for in names', () => {
    expect(matches(adapter({ kind: 'cpu', name: 'Emulated GPU' }).info, 'gpu')).toBe(false);
  });
});

group('what the user reads', () => {
  test.each([nvidia, intel, apple])('$info.name: its driver and version, no warning', ({ info }) => {
    const line = describe(info);
    expect(line).toContain(info.name);
    expect(line).toContain(info.driver);
    expect(line).not.toContain('times');
  });

  test.each([lavapipe, swiftshader, warp])('$info.name: a CPU driver, in one line', ({ info }) => {
    const line = describe(info);
    expect(line).toContain(info.name);
    expect(line).toContain('times say nothing about GPUs');
    expect(line).not.toContain('\n');
  });

  test.runIf(process.platform === 'linux')('how to get a faster one', () => {
    expect(describe(swiftshader.info)).toContain('mesa-vulkan-drivers');
    expect(describe(lavapipe.info)).not.toContain('mesa-vulkan-drivers');
    expect(describe(lavapipe.info)).toContain('machine with a GPU');
  });

  test('a text that matches none: what was asked for and what there is', () => {
    const error = unmatched('voodoo', 'from SYNGRAD_ADAPTER', [swiftshader, nvidia]);
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(/'voodoo' \(from SYNGRAD_ADAPTER\).*NVIDIA GeForce RTX 4090.*SwiftShader/);
  });

  test.each([
    ['linux', 'x64', /--include=optional.*mesa-vulkan-drivers/],
    ['linux', 'arm64', /no CPU driver on npm for arm64.*mesa-vulkan-drivers/],
    ['darwin', 'arm64', /Metal/],
    ['win32', 'x64', /Direct3D 12/],
    ['freebsd', 'x64', /only Linux, macOS and Windows/],
  ])('no adapter at all on %s %s', (platform, arch, expected) => {
    const error = noAdapter(platform, arch);
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(expected);
    expect(error.message).not.toMatch(/\n|\. /);
  });
});
