import { setTimeout as sleep } from 'node:timers/promises';

/** Asks again until it is so; where asking throws it is not yet. Throws after a minute. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    let cause: unknown;
    try {
      if (await condition()) return;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > deadline) throw new Error(`not so in time: ${what}`, { cause });
    await sleep(50);
  }
}
