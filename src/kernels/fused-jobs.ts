import type { LayerParam } from '../reference/fused/work.ts';

/** What a workgroup of fused_layers may do; a dispatch does any of them side by side. */
export const ROLE = { forward: 1, teach: 2, predict: 4, grad: 8, pull: 16 } as const;

/** The name of a role. */
export type Role = keyof typeof ROLE;

/** The roles, in the order of a dispatch's workgroups. */
export const ROLES = Object.keys(ROLE) as Role[];

/** The params that say which jobs a dispatch has, and how large they are. */
export type JobParams = Readonly<
  Record<Extract<LayerParam, 'B' | 'I' | 'F' | 'C' | 'H' | 'U' | `${Role}_${'from' | 'layers'}`>, number>
>;

/** One layer's part in one role: C (M, N), summed over K. */
export interface FusedProduct {
  readonly role: Role;
  readonly layer: number;
  readonly M: number;
  readonly K: number;
  readonly N: number;
}

/** The products of a dispatch, in the order of its workgroups. The loss is a PREDICT of the output layer: no product. */
export function productsOf(p: JobParams): FusedProduct[] {
  return ROLES.flatMap((role) =>
    Array.from({ length: p[`${role}_layers`] }, (_, i) => {
      const layer = p[`${role}_from`] + i;
      const [inputs, outputs] = [layer === 1 ? p.I : p.F, layer > p.H ? p.C : p.F];
      const shape = {
        forward: { M: p.B, K: inputs, N: outputs },
        teach: { M: p.F + p.U + 1, K: p.B, N: p.F },
        predict: layer > p.H ? { M: 1, K: p.F, N: 1 } : { M: p.B, K: p.F, N: p.F },
        grad: { M: inputs + (layer > p.H ? 1 : 0), K: p.B, N: outputs },
        pull: { M: p.B, K: outputs, N: p.F },
      }[role];
      return { role, layer, ...shape };
    }),
  );
}

/** Multiply-adds of a dispatch's matrix products, label rows and biases left out. */
export function macsOf(p: JobParams): number {
  const sizes = productsOf(p).map(({ role, layer, M, K, N }) => {
    if (role === 'predict' && layer > p.H) return 0;
    const rows = role === 'teach' ? p.F : role === 'grad' && layer > p.H ? M - 1 : M;
    return rows * K * N;
  });
  return sizes.reduce((sum, n) => sum + n, 0);
}
