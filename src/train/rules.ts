import { backprop } from './backprop.ts';
import { cdni } from './cdni.ts';
import type { LearningRule } from './rule.ts';

/** Every learning rule, by the name that `--methods` takes. */
export const rules: ReadonlyMap<string, LearningRule> = new Map(
  [backprop, cdni].map((rule) => [rule.name, rule]),
);
