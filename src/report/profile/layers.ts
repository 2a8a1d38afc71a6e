import type { DispatchInfo } from '../../gpu/profile.ts';
import type { ProfileRow, Roof, TimedDispatch } from './record.ts';
import { gpuSecondsOf, type Portion, rowOfPortions } from './rows.ts';

/** What a layer has of a dispatch. */
export interface LayerShare {
  /** The layer, or what else the work is for: `layer2`, `sg1`, `loss`. */
  readonly name: string;
  /** Its roles, `FORWARD, PULL`; none where the dispatch does one thing, which its label says. */
  readonly roles: string;
  /** Of the dispatch's operations, and so, for want of anything better, of its time. */
  readonly share: number;
  readonly flops: number;
  readonly bytes: number;
}

/** Whom a dispatch works for. Without parts it is one: that which its label names, up to the first dot. */
export function sharesOf({ label, flops, bytes, parts }: DispatchInfo): LayerShare[] {
  if (!parts) return [{ name: label.split('.', 1)[0]!, roles: '', share: 1, flops, bytes }];
  return [...new Set(parts.map(({ of }) => of))].map((name) => {
    const own = parts.filter(({ of }) => of === name);
    const sum = (of: (part: (typeof own)[number]) => number) => own.reduce((all, part) => all + of(part), 0);
    const operations = sum((part) => part.flops);
    return {
      name,
      roles: own.map(({ role }) => role).join(', '),
      share: operations / flops,
      flops: operations,
      bytes: sum((part) => part.bytes),
    };
  });
}

/**
 * A row for each layer (and for the batch, the loss, each predictor), in the order in which a step meets them. A dispatch of
 * several layers counts as a call of each, and its time is divided among them by their operations: an estimate, as the row says.
 */
export function layerRows(dispatches: readonly TimedDispatch[], roof: Roof): ProfileRow[] {
  const layers = new Map<string, Portion[]>();
  for (const dispatch of dispatches) {
    for (const { name, share, flops, bytes } of sharesOf(dispatch))
      layers.set(name, [...(layers.get(name) ?? []), { dispatch, share, flops, bytes }]);
  }
  const total = gpuSecondsOf(dispatches);
  return [...layers].map(([name, portions]) => rowOfPortions(name, portions, total, roof));
}
