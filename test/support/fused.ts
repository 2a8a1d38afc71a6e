import { expect } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { KernelSpec } from '../../src/gpu/kernel.ts';
import type { Constants } from '../../src/gpu/shader.ts';
import { fusedLayers, fusedLayersCpu, fusedTop, fusedTopCpu } from '../../src/kernels/fused.ts';
import { ROLE, type Role } from '../../src/kernels/fused-jobs.ts';
import { type FusedLayout, type FusedSizes, layoutOf, wholeQuads } from '../../src/reference/fused/layout.ts';
import { classRowOf } from '../../src/reference/fused/work.ts';
import type { PackedSchedule, Spans } from '../../src/train/schedules/packed.ts';
import { baseParams, type Extras, extraParams, topParams } from '../../src/train/schedules/params.ts';
import { type Content, normals, Random } from './kernel.ts';

/** Sizes of a network and of a batch. */
export interface FusedShape {
  readonly B: number;
  readonly I: number;
  readonly F: number;
  readonly C: number;
  readonly H: number;
}

/** Steps of the upload that an arena holds, and of the one before it. */
const STEPS = 7;
const CAPACITY = 8;

/** Samples of the data, more than a word of labels and no multiple of one. */
const SAMPLES = 29;

/** Rows of the tiles that statistics, and the sums of the top hidden layer's gradients, come in; none: whole columns. */
export interface TileRows {
  readonly stats: number;
  readonly sums: number;
}

/** A dispatch of a schedule. */
export interface FusedDispatch {
  readonly label: string;
  readonly kernel: 'layers' | 'top';
  readonly params: Readonly<Record<string, number>>;
  /** The bits of its roles. */
  readonly roles: number;
}

/** An arena as a schedule would have it, at one of its ticks, and the schedule's dispatches on it. */
export interface FusedArena {
  readonly layout: FusedLayout;
  readonly contents: Readonly<Record<string, Content>>;
  readonly dispatches: readonly FusedDispatch[];
  /** A dispatch with other work to do. */
  layers(spans: Spans, extras: Extras): FusedDispatch;
}

/** The fused kernels in one of their forms. */
export interface FusedForm {
  readonly layers: KernelSpec;
  readonly top: KernelSpec;
  readonly tiles: TileRows | undefined;
  readonly constants: Constants;
}

/** A spec whose params and buffers are known by name only. */
const plain = (spec: unknown): KernelSpec => spec as KernelSpec;

/** A form of the kernels on a device; none where the device's subgroups are not those that it is written for. */
export function fusedForm(gpu: Gpu, form: 'gpu' | 'cpu'): FusedForm | undefined {
  if (form === 'gpu') {
    const tiles = { stats: 32, sums: 8 };
    return { layers: plain(fusedLayers), top: plain(fusedTop), tiles, constants: {} };
  }
  const LANES = gpu.subgroupSize;
  if (LANES !== 4 && LANES !== 8) return undefined;
  return {
    ...{ layers: plain(fusedLayersCpu), top: plain(fusedTopCpu) },
    ...{ tiles: undefined, constants: { LANES } },
  };
}

/** A dispatch, or a part of one, and the roles that its pipeline is compiled for. */
export interface Compiled {
  readonly params: FusedDispatch['params'];
  readonly constants: Constants;
}

/** Whether the device's driver is Mesa's for the processor, which takes 10 s and more to compile a GPU form. */
export const compilesSlowly = (gpu: Gpu): boolean => gpu.isCpu && gpu.info.origin === 'system';

/**
 * A dispatch for as few pipelines as will do, since compiling takes far longer than running. All five roles go into one; but
 * what Mesa's compiler for the processor takes grows faster than the roles, so there each has one of its own, and a
 * dispatch that has several roles is run in parts.
 */
export function compiled(gpu: Gpu, form: FusedForm, { params, roles }: FusedDispatch): Compiled[] {
  const all = Object.values(ROLE);
  const sets: number[] = compilesSlowly(gpu) ? all : [all.reduce((set, role) => set | role, 0)];
  return sets
    .filter((set) => (set & roles) !== 0)
    .map((ROLES) => {
      const others = (Object.keys(ROLE) as Role[]).filter((role) => (ROLE[role] & ROLES) === 0);
      const none = Object.fromEntries(others.map((role) => [`${role}_layers`, 0]));
      return { params: { ...params, ...none }, constants: { ...form.constants, ROLES } };
    });
}

/** The ticks at which the first layer begins, all layers are at work, and the last one finishes. */
export function ticksOf(
  { timing }: PackedSchedule,
  H: number,
): { first: number; middle: number; last: number } {
  const { drain } = timing(H);
  return { first: 0, middle: Math.max(drain, 3), last: STEPS - 1 + drain };
}

function sizesOf(schedule: PackedSchedule, shape: FusedShape, tiles: TileRows | undefined, U: number) {
  const { B, F, C, H } = shape;
  const { zSlots, slots, wSlots, vSlots, lagTeach, back } = schedule.timing(H);
  let models = false;
  const layers = (_: string, spans: Spans) => {
    models ||= spans.teach !== undefined;
  };
  schedule.record({ H, layers, top: () => {} });
  const stats = tiles ? Math.ceil(B / tiles.stats) : 1;
  return {
    // What comes in tiles comes in quads.
    ...{
      ...shape,
      F: tiles ? wholeQuads(F) : F,
      classRow: classRowOf(tiles ? 'tiles' : 'columns', C),
    },
    ...{ U: models ? U : 0, capacity: CAPACITY, lead: Math.max(models ? lagTeach : 0, back * H) },
    ...{ zSlots, slots, wSlots, vSlots, back, models, tiles: stats },
    sumTiles: tiles && schedule.usesTop ? Math.ceil(B / tiles.sums) : stats,
  } satisfies FusedSizes;
}

/** Labels of all samples, a byte each. */
function packedLabels(random: Random, classes: number): Uint32Array {
  const bytes = new Uint8Array(4 * Math.ceil(SAMPLES / 4));
  for (let s = 0; s < SAMPLES; s++) bytes[s] = random.below(classes);
  return new Uint32Array(bytes.buffer);
}

function tableOf(random: Random, { table, sizes }: FusedLayout, first: number): Uint32Array {
  const words = Uint32Array.from({ length: table.size }, () => random.below(SAMPLES));
  words.set([STEPS, first, 0, 0]);
  const updates = new Float32Array(words.buffer, 4 * table.updates);
  // Each event, and each step, has numbers of its own.
  for (let i = 0; i < sizes.capacity * (2 * sizes.H + 1); i++) {
    updates[2 * i] = 1e-3 * (1 + 0.1 * (i % 7));
    updates[2 * i + 1] = 1e-8;
  }
  return words;
}

function momentsOf(random: Random, { moments }: FusedLayout): Float32Array {
  const out = normals(random, moments.size);
  // Each fifth has never had a gradient.
  for (let i = 0; i < moments.v; i++) {
    out[i] = i % 5 === 0 ? 0 : 0.1 * out[i]!;
    out[moments.v + i] = i % 5 === 0 ? 0 : 0.01 * out[moments.v + i]! ** 2;
  }
  return out;
}

function weightsOf(random: Random, layout: FusedLayout): Float32Array {
  const { weights, sizes } = layout;
  const { H, I, F, wSlots } = sizes;
  const out = normals(random, weights.size);
  for (let l = 1; l <= H; l++) {
    const running = layout.runningOf(l).at;
    for (let f = 0; f < F; f++) out[running + F + f] = out[running + F + f]! ** 2;
    // Columns of zeros, whose variance is 0 and leaves nothing but epsilon.
    for (let version = 0; version < wSlots; version++) {
      const at = version * weights.version + layout.weightsOf(l).at;
      for (let i = 0; i < (l === 1 ? I : F); i++) for (let f = 3; f < F; f += 8) out[at + i * F + f] = 0;
    }
  }
  return out;
}

/** What the layers have left: numbers as they might be, in every slot. */
function memoryOf(random: Random, { memory, sizes }: FusedLayout): Float32Array {
  const { B, F, H, zSlots, slots, tiles } = sizes;
  const out = normals(random, memory.size);
  for (let s = 0; s < H * zSlots; s++) {
    for (let f = 0; f < F; f++) {
      const [rstd, beta] = [memory.norm + (4 * s + 1) * F + f, memory.norm + (4 * s + 3) * F + f];
      out[rstd] = 0.2 + Math.abs(out[rstd]!);
      // Some columns of one number, which their mean is, too: ReLU's argument is 0 up to rounding.
      if (f % 8 !== 3) continue;
      out[beta] = 0;
      out[memory.norm + 4 * s * F + f] = 0.7;
      for (let b = 0; b < B; b++) out[(s * B + b) * F + f] = 0.7;
    }
  }
  for (let s = 0; s < H * slots * tiles; s++) {
    const rows = Math.ceil(B / tiles);
    for (let f = 0; f < F; f++) {
      const [mean, squares] = [memory.stats + 2 * s * F + f, memory.stats + (2 * s + 1) * F + f];
      out[squares] = f % 8 === 3 ? 0 : rows * out[squares]! ** 2;
      if (f % 8 === 3) out[mean] = 0.7;
    }
  }
  // Logits of which some are equal.
  for (let i = memory.logits; i < memory.dlogits; i++) if (i % 3 !== 0) out[i] = Math.round(out[i]!);
  // Where ReLU was shut.
  for (let i = memory.dn; i < memory.sums; i++) if (random.below(2) === 0) out[i] = 0;
  for (let i = memory.loss; i < memory.size; i++) {
    out[i] = (i - memory.loss) % 2 === 0 ? 10 + Math.abs(out[i]!) : random.below(5);
  }
  return out;
}

/**
 * An arena with random contents, of a schedule that is at a tick of its second upload (or, with `updates` 0, of its first).
 * What a dispatch reads need not have come from the one before: each is checked on its own.
 */
export function fusedArena(
  seed: number,
  schedule: PackedSchedule,
  shape: FusedShape,
  {
    tiles,
    tick,
    updates = STEPS,
    labelRows = true,
  }: {
    readonly tiles: TileRows | undefined;
    readonly tick: number;
    readonly updates?: number;
    readonly labelRows?: boolean;
  },
): FusedArena {
  const random = new Random(seed);
  const layout = layoutOf(sizesOf(schedule, shape, tiles, labelRows ? shape.C : 0));
  const words = Math.ceil(shape.I / 4);
  const state = new Uint32Array(layout.state.size).fill(999);
  state.set([tick, tick, 0, 0]);
  const contents = {
    pixels: Uint32Array.from({ length: SAMPLES * words }, () => random.uint32()),
    labels: packedLabels(random, shape.C),
    table: tableOf(random, layout, updates),
    weights: weightsOf(random, layout),
    moments: momentsOf(random, layout),
    memory: memoryOf(random, layout),
    state,
  };
  const base = { ...baseParams(layout, schedule.timing(shape.H)), words, scale: 1 / 255 };
  const layers = (label: string, spans: Spans, extras: Extras): FusedDispatch => {
    const params: Record<string, number> = { ...base, ...extraParams(extras, layout.sizes.sumTiles) };
    let roles = 0;
    for (const [role, [from, to]] of Object.entries(spans) as [Role, readonly [number, number]][]) {
      if (to < from) continue;
      roles |= ROLE[role];
      params[`${role}_from`] = from;
      params[`${role}_layers`] = to - from + 1;
    }
    return { label, kernel: 'layers', params, roles };
  };
  const dispatches: FusedDispatch[] = [];
  schedule.record({
    H: shape.H,
    layers: (...args) => dispatches.push(layers(...args)),
    top: (label) => dispatches.push({ label, kernel: 'top', params: topParams(layout), roles: 0 }),
  });
  return { layout, contents, dispatches, layers: (spans, extras) => layers('alone', spans, extras) };
}

/** Checks one sample's dLogits, of class 0, where its logit is any number and all others are 16 less. */
export function expectOfSixteenLess(dLogits: ArrayLike<number>, C: number): void {
  const p = Math.exp(-16) / (1 + (C - 1) * Math.exp(-16));
  // exp(-16) may err by 35 ulp of at most 2^-23; sums and a division by a few more.
  const most = 40 * 2 ** -23;
  expect(Math.abs(dLogits[0]! / (-(C - 1) * p) - 1)).toBeLessThan(most);
  for (let c = 1; c < C; c++) expect(Math.abs(dLogits[c]! / p - 1)).toBeLessThan(most);
}

/** The buffers that fused_top has. */
export function topContents({ contents }: FusedArena): Readonly<Record<string, Content>> {
  const { pixels: _, moments: __, ...rest } = contents;
  return rest;
}
