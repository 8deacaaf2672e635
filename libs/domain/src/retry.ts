/**
 * Delay before the next attempt: doubling from `baseMs`, at most `maxMs`, half of it at random so that
 * steps that failed together are not tried together ("equal jitter").
 * @param attempt the attempt that just failed, from 1
 * @param random in [0, 1)
 */
export function retryDelay(
  attempt: number,
  {
    baseMs = 1000,
    maxMs = 900_000,
    random = Math.random(),
  }: { baseMs?: number; maxMs?: number; random?: number } = {},
): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(30, Math.max(0, attempt - 1)));
  return Math.round(full / 2 + (full / 2) * random);
}
