import { rules } from '../train/rules.ts';

// What may be said of a difference in speed: the same on the console and on the page.

/** Ratios closer to 1 than this are called equal: runs on a busy machine differ by more. */
export const EQUAL = 0.03;

/** Seconds of training below which start-up and chance weigh more than what is compared. */
export const SHORT = 1;

/** Share of all layer updates above which a method counts as one that skips nothing: first steps may lack some. */
const ALL_UPDATES = 0.95;

/** Whether that many updates a step are those of every layer. */
export const updatesEvery = (updatesPerStep: number, layers: number): boolean =>
  updatesPerStep >= ALL_UPDATES * layers;

/** Whether one method updates fewer layers a step than another. */
export const updatesFewer = (updatesPerStep: number, than: number): boolean =>
  updatesPerStep < ALL_UPDATES * than;

/** Whether one method computes less a step than another, by the ratio of their multiply-adds. */
export const computesLess = (ratio: number): boolean => ratio < 1 - EQUAL;

/**
 * Whether a method's hidden layers are updated without waiting for those above. With lambda above 0 the true gradient
 * is waited for after all, where the rule heeds it.
 */
export function isUnlocked(method: string, lambda: number): boolean {
  const rule = rules.get(method);
  return rule?.unlocks === true && !(rule.heeds.lambda && lambda > 0);
}

/** Whether a method learns from synthetic gradients. */
export const hasSyntheticGradients = (method: string): boolean => rules.get(method)?.heeds.synthetic === true;
