import { backprop } from './backprop.ts';
import { bisong } from './bisong.ts';
import { cdni } from './cdni.ts';
import { delayedBackprop } from './delayed-backprop.ts';
import { dgl } from './dgl.ts';
import { dni } from './dni.ts';
import { directFeedbackAlignment, feedbackAlignment } from './feedback-alignment.ts';
import { noBackprop } from './no-bp.ts';
import type { LearningRule } from './rule.ts';
import { unlocked } from './unlocked.ts';

/** Every learning rule, by the name that `--methods` takes. */
export const rules: ReadonlyMap<string, LearningRule> = new Map(
  [
    backprop,
    dni,
    cdni,
    bisong,
    unlocked,
    noBackprop,
    dgl,
    directFeedbackAlignment,
    feedbackAlignment,
    delayedBackprop,
  ].map((rule) => [rule.name, rule as LearningRule]),
);
