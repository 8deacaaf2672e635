import { setTimeout as sleep } from 'node:timers/promises';

/** Less than any limit of a source's or the client's by which it would happen anyway, but that for connecting. */
export const PATIENCE_MS = 15_000;

/** Polls until it is so, also while a test moves the clock. @throws Error after `PATIENCE_MS` */
export async function until(condition: () => boolean, what = 'it'): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !condition(); await sleep(5))
    if (performance.now() > end) throw new Error(`${what} did not come within ${PATIENCE_MS} ms`);
}
