import type { NextStep } from '@magpie/contracts';

/** How much one step may bring. A result message stays below 4 MiB with it. */
export const LIMITS = {
  items: 5_000,
  next: 10_000,
  /** Bytes of JSON of items and next steps. */
  bytes: 3.5 * 1024 * 1024,
} as const;

/**
 * As many of the steps (with room for the one that goes on), from the index `from` on, as one result may bring, and the index to go on at when that
 * was not all. A handler that has more to say adds a step that begins there, so that nothing is dropped:
 *
 * ```ts
 * const { next, rest } = withinLimits(all, input.from);
 * if (rest !== undefined) next.push({ kind: 'page', key: `${url}#${rest}`, url, input: { ...input, from: rest } });
 * ```
 */
export function withinLimits(
  steps: readonly NextStep[],
  from = 0,
  { count = LIMITS.next - 1, bytes = LIMITS.bytes * 0.6 }: { count?: number; bytes?: number } = {},
): { next: NextStep[]; rest: number | undefined } {
  const next: NextStep[] = [];
  let size = 0;
  for (let i = from; i < steps.length; i++) {
    const step = steps[i] as NextStep;
    size += Buffer.byteLength(JSON.stringify(step)) + 1;
    if (next.length > 0 && (next.length >= count || size > bytes)) return { next, rest: i };
    next.push(step);
  }
  return { next, rest: undefined };
}
