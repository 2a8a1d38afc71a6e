import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const TYPES = { F64: Float64Array, F32: Float32Array, U32: Uint32Array, U8: Uint8Array } as const;

/** Any of the arrays that a fixture may hold. */
export type FixtureArray = Float64Array | Float32Array | Uint32Array | Uint8Array;

/** A fixture that a script under test/oracle has made. */
export interface Fixture {
  /** Metadata, each entry parsed as JSON. */
  readonly told: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, FixtureArray>;
}

/** Reads test/oracle/fixtures/`name`.safetensors. */
export function readFixture(name: string): Fixture {
  const file = readFileSync(join(import.meta.dirname, `../oracle/fixtures/${name}.safetensors`));
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(file.toString('utf8', 8, 8 + length)) as {
    __metadata__?: Record<string, string>;
    [name: string]: unknown;
  };
  const told = Object.fromEntries(Object.entries(metadata).map(([key, text]) => [key, JSON.parse(text)]));
  const tensors = new Map(
    Object.entries(
      entries as Record<string, { dtype: keyof typeof TYPES; data_offsets: [number, number] }>,
    ).map(
      ([
        label,
        {
          dtype,
          data_offsets: [from, to],
        },
      ]) => {
        const bytes = Uint8Array.from(file.subarray(8 + length + from, 8 + length + to)).buffer;
        return [label, new TYPES[dtype](bytes)] as const;
      },
    ),
  );
  return { told, tensors };
}
