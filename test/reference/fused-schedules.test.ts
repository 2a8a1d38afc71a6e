import { describe, expect, it } from 'vitest';
import { fusedLayers, fusedLayersCpu } from '../../src/reference/fused/layers.ts';
import { fusedTop, fusedTopCpu } from '../../src/reference/fused/top.ts';
import type { Tensors } from '../../src/reference/network.ts';
import { type Lateness, lateSyntheticStep, WAVE, WAVE_OF_ONE } from '../../src/reference/step-late.ts';
import { LINEAR } from '../../src/reference/step-models.ts';
import { bpStep, cdniStep, delayedStep, type StepTwin } from '../../src/reference/step-rules.ts';
import { type Bounded, exact, type Numbers, type Twin, U } from '../../src/reference/twin.ts';
import { fusedBackprop, fusedSynthetic } from '../../src/train/schedules/fused.ts';
import type { PackedSchedule } from '../../src/train/schedules/packed.ts';
import { delayedWave, wave, waveOfOne } from '../../src/train/schedules/wave.ts';
import { type FusedArena, fusedArena, type TileRows } from '../support/fused.ts';
import { Random } from '../support/kernel.ts';
import { TwinSchedule } from '../support/twins.ts';

// With nothing rounded, the dispatches of a schedule must be the formulas of its rule, to the last digits of a float64:
// which slot, version, batch and tile everything is in, and what is late.

const { fround } = Math;

describe('the twins of a schedule, one after the other, in float64', () => {
  const STEPS = 7;
  const RATE = 1e-3;

  interface Case {
    readonly schedule: PackedSchedule;
    readonly rule: string;
    readonly step: StepTwin;
    readonly late?: Lateness;
  }
  const late = (lateness: Lateness) => ({ late: lateness, step: lateSyntheticStep(LINEAR, lateness) });
  const CASES: Readonly<Record<string, Case>> = {
    'bp, fused': { schedule: fusedBackprop, rule: 'bp', step: bpStep },
    'cdni, fused': { schedule: fusedSynthetic, rule: 'cdni', step: cdniStep },
    'cdni, wave': { schedule: wave, rule: 'cdni', ...late(WAVE) },
    'cdni, wave of one': { schedule: waveOfOne, rule: 'cdni', ...late(WAVE_OF_ONE) },
    'delayed-bp, wave': { schedule: delayedWave, rule: 'delayed-bp', step: delayedStep },
  };

  /** A matrix of parameters: its label, and where the elements of its rows lie. */
  type Held = readonly [label: string, places: number[]];

  /** Where the parameters of a network with so many units lie after so many steps; rows may be longer there. */
  function places({ layout }: FusedArena, units: number, schedule: PackedSchedule, steps: number): Held[] {
    const { H, I, F, C, classRow, U: labelRows, wSlots, vSlots, models } = layout.sizes;
    const out: Held[] = [];
    const add = (label: string, at: number, rows: number, columns = units, stride = F) => {
      const place = (i: number) => at + Math.floor(i / columns) * stride + (i % columns);
      out.push([label, Array.from({ length: rows * columns }, (_, i) => place(i))]);
    };
    const version = (l: number) => {
      // Where gradients take their time, a layer has had fewer updates.
      const updates = Math.max(steps - schedule.timing(H).back * (H + 1 - l), 0);
      return (updates % wSlots) * layout.weights.version;
    };
    for (let l = 1; l <= H; l++) {
      const [affine, running] = [version(l) + layout.affineOf(l).at, layout.runningOf(l).at];
      add(`layer${l}.W`, version(l) + layout.weightsOf(l).at, l === 1 ? I : units);
      add(`layer${l}.gamma`, affine, 1);
      add(`layer${l}.beta`, affine + F, 1);
      add(`layer${l}.runningMean`, running, 1);
      add(`layer${l}.runningVar`, running + F, 1);
      if (!models) continue;
      const V = (steps % vSlots) * layout.weights.modelsVersion + layout.modelOf(l).at;
      add(`sg${l}.V`, V, units);
      add(`sg${l}.U`, V + F * F, labelRows);
      add(`sg${l}.c`, V + (F + labelRows) * F, 1);
    }
    const top = version(H + 1) + layout.weightsOf(H + 1).at;
    add(`layer${H + 1}.W`, top, units, C, classRow);
    add(`layer${H + 1}.bias`, top + F * classRow, 1, C, classRow);
    return out;
  }

  /** A schedule's steps by its twins, and the same steps by the twin of the rule: what both have learned. */
  function both(c: Case, H: number, tiles: TileRows | undefined) {
    // A batch size that float32 divides by without rounding.
    const shape = { B: 8, I: 6, F: 5, C: 3, H };
    const { B, I } = shape;
    const arena = fusedArena(H, c.schedule, shape, { tiles, tick: 0, updates: 0 });
    const { layout, contents } = arena;
    const buffers: Record<string, Numbers> = {};
    for (const [name, x] of Object.entries(contents))
      buffers[name] = x instanceof Uint32Array ? x : Float64Array.from(x);
    // A column of zeros makes a rounding of 1e-17 one of 1e-8, by 1 / sqrt(epsilon) and then by Adam.
    const random = new Random(H);
    const weights = Float64Array.from(buffers.weights!, (x) => (x === 0 ? random.normal() : x));
    // Units and classes that only fill rows up begin, and must end, with zeros.
    const begin = places(arena, shape.F, c.schedule, 0);
    const used = new Set(begin.flatMap(([, at]) => at));
    for (let i = 0; i < weights.length; i++) if (!used.has(i)) weights[i] = 0;
    buffers.weights = weights;
    buffers.moments!.fill(0);
    buffers.state!.fill(0);
    for (const [from, size, slots] of [
      [0, layout.weights.version, layout.sizes.wSlots],
      [layout.weights.models, layout.weights.modelsVersion, layout.sizes.vSlots],
    ] as const) {
      for (let v = 1; v < slots; v++) weights.copyWithin(from + v * size, from, from + size);
    }
    const part = (at: readonly number[]) => Float64Array.from(at, (i) => buffers.weights![i]!);
    let tensors: Tensors = new Map(begin.map(([label, at]) => [label, part(at)]));

    const sizes = { inputs: I, hidden: shape.F, layers: H + 1, classes: shape.C };
    const options = { ...sizes, batchSize: B, learningRate: RATE, seed: 1 };
    const constants = new TwinSchedule(c.rule, options, c.late?.teach);
    const table = buffers.table as Uint32Array;
    const updates = new Float32Array(table.buffer, 4 * layout.table.updates);
    const bytes = new Uint8Array((buffers.pixels as Uint32Array).buffer);
    const labels = new Uint8Array((buffers.labels as Uint32Array).buffer);
    const losses: number[] = [];
    for (let n = 0; n < STEPS; n++) {
      const now = constants.next();
      const events = Array.from({ length: 2 * H + 1 }, (_, e) => (e <= H ? `layer${e + 1}` : `sg${e - H}`));
      events.forEach((name, e) => {
        const { stepSize = 0, epsHat = 0 } = now.updates!.get(name) ?? {};
        updates.set([stepSize, epsHat], 2 * (e * layout.sizes.capacity + n));
      });
      const at = 4 + (n + layout.sizes.lead) * B;
      const rows = Array.from(table.subarray(at, at + B));
      const pixel = (row: number, i: number) => fround(1 / 255) * bytes[row * Math.ceil(I / 4) * 4 + i]!;
      const value = Float64Array.from({ length: B * I }, (_, i) => pixel(rows[Math.floor(i / I)]!, i % I));
      tensors = c.step(tensors, sizes, now, { x: exact(value), labels: rows.map((row) => labels[row]!) });
      losses.push(tensors.get('loss.mean')![0]!);
    }

    const { timing, ticks } = c.schedule;
    const compiledWith = { TILE_M: tiles?.stats ?? 0, ROWS: tiles?.sums ?? 0, ROLES: 31 };
    for (let turn = 0; turn < Math.ceil((STEPS + timing(H).drain) / ticks); turn++) {
      for (const { kernel, params } of arena.dispatches) {
        const seen = Object.fromEntries(Object.entries(params).map(([k, x]) => [k, x < 1 ? fround(x) : x]));
        const [layers, top] = tiles ? [fusedLayers, fusedTop] : [fusedLayersCpu, fusedTopCpu];
        const out = (kernel === 'top' ? (top as Twin) : (layers as Twin))(seen, buffers, compiledWith);
        for (const [name, { value }] of Object.entries(out) as [string, Bounded][])
          buffers[name] = name === 'state' ? Uint32Array.from(value) : value;
      }
    }
    const end = places(arena, shape.F, c.schedule, STEPS);
    const held = new Set(end.flatMap(([, at]) => at));
    const fillers = [...places(arena, layout.sizes.F, c.schedule, STEPS).flatMap(([, at]) => at)];
    const kept = new Float32Array((buffers.state as Uint32Array).buffer, 4 * 4, STEPS);
    return {
      tensors,
      losses,
      kept,
      learned: end.map(([label, at]) => [label, part(at)] as const),
      fillers: part(fillers.filter((i) => !held.has(i))),
    };
  }

  describe.each(Object.keys(CASES))('%s', (name) => {
    it.each([
      [1, 'tiles', { stats: 3, sums: 2 }],
      [2, 'tiles', { stats: 5, sums: 3 }],
      [3, 'tiles', { stats: 8, sums: 8 }],
      [2, 'whole columns', undefined],
      [3, 'whole columns', undefined],
    ] as const)('are the steps of the rule, %i hidden layers, %s', (H, _, tiles) => {
      const { tensors, losses, kept, learned, fillers } = both(CASES[name]!, H, tiles);
      expect(fillers.length > 0).toBe(tiles !== undefined);
      expect(fillers.every((x) => x === 0)).toBe(true);
      for (const [label, got] of learned) {
        const expected = tensors.get(label)!;
        const worst = Math.max(...got.map((x, i) => Math.abs(x - expected[i]!)));
        expect(worst, label).toBeLessThan(1e-9);
      }
      kept.forEach((loss, n) => {
        expect(Math.abs(loss / losses[n]! - 1), `loss ${n}`).toBeLessThan(2 * U);
      });
    });
  });
});
