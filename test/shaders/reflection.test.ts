import { describe, expect, it } from 'vitest';
import { ResourceType, type VariableInfo, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import { shaderSource } from '#shaders';
import { paramsSize } from '../../src/gpu/kernel.ts';
import { readConstants, withConstants } from '../../src/gpu/shader.ts';
import { kernels } from '../../src/kernels/index.ts';
import { smallCases } from '../support/cases.ts';

// A parser that has nothing to do with Dawn reads the shaders: the specs, by which the host binds, must say the same.
const cases = smallCases(1);

const nameOf = (variable: VariableInfo) => variable.type.getTypeName();

/** A constant whose value another one is made of, worked out as an integer. */
const numbers = (text: string): number[] => [...text.matchAll(/(\d+)u/g)].map(([, digits]) => Number(digits));

describe.each(kernels.map((spec) => [spec.file, spec] as const))('%s', (file, spec) => {
  const source = shaderSource(file);
  // This parser takes `read` and `write`, which WGSL does not reserve, for nothing but access modes.
  const shader = new WgslReflect(source.replace(/(?<!var<storage, )\b(read|write)\b/g, '$1_'));
  const params = Object.entries(spec.params);

  it('has one entry point, a compute shader called main', () => {
    const { compute, vertex, fragment } = shader.entry;
    expect(compute.map((f) => f.name)).toEqual(['main']);
    expect([...vertex, ...fragment]).toEqual([]);
    expect(shader.overrides).toEqual([]);
  });

  it('binds the buffers of its spec, in order, from 1 on, in group 0, with the same access', () => {
    const bound = shader.storage.map(({ group, binding, name, access, resourceType }) => {
      expect(resourceType).toBe(ResourceType.Storage);
      return { group, binding, name, access };
    });
    const expected = Object.entries(spec.buffers).map(([name, access], i) => {
      return { group: 0, binding: i + 1, name, access };
    });
    expect(bound).toEqual(expected);
    expect([...shader.textures, ...shader.samplers]).toEqual([]);
  });

  // A length of 0 is how this parser says that the array is as long as its buffer.
  it('has arrays of the element type of its tensors, alone, in quads or atomic', () => {
    const { contents } = cases[file]!;
    const single = (type: string) => type.replace(/vec4([fu])/, '$132').replace('atomic<u32>', 'u32');
    const types = Object.fromEntries(shader.storage.map((v) => [v.name, single(nameOf(v))]));
    const expected = Object.entries(contents).map(([name, data]) => {
      return [name, data instanceof Uint32Array ? 'array<u32, 0>' : 'array<f32, 0>'];
    });
    expect(types).toEqual(Object.fromEntries(expected));
  });

  it('has the params of its spec at binding 0, with the same names, types and offsets', () => {
    if (params.length === 0) {
      expect(shader.uniforms).toEqual([]);
      return;
    }
    const [uniform, ...others] = shader.uniforms;
    expect(others).toEqual([]);
    expect(uniform).toMatchObject({ group: 0, binding: 0, name: 'params' });
    const fields = uniform!.members!.map(({ name, type, offset }) => [name, type.getTypeName(), offset]);
    expect(fields).toEqual(params.map(([name, type], i) => [name, type, 4 * i]));
    expect(uniform!.size).toBe(paramsSize(spec));
  });

  it('declares its numbers in lines that can be read and rewritten', () => {
    const constants = readConstants(source);
    for (const [name, value] of Object.entries(constants)) {
      const other = withConstants(source, { [name]: value + 1 }, file);
      expect(readConstants(other)).toEqual({ ...constants, [name]: value + 1 });
      // That line and no other.
      const [before, after] = [source.split('\n'), other.split('\n')];
      const changed = before.filter((line, i) => line !== after[i]);
      expect(changed).toHaveLength(1);
      expect(numbers(changed[0]!)[0]).toBe(value);
      expect(after).toHaveLength(before.length);
    }
    // A typed constant in another form would be one that the grid cannot know. One without a type is a name for a number
    // that nobody changes, such as a bit.
    const plain = source.split('\n').filter((line) => /^const [A-Z_]+\b.*:.*= *\d/.test(line));
    expect(plain).toHaveLength(Object.keys(constants).length);
  });
});
