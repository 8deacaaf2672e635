import { setImmediate as turn } from 'node:timers/promises';

const AT_ONCE_MS = 10;

/**
 * What `make` makes of each value, without the undefined. It takes a turn of the event loop every 10 ms, so that a
 * long list holds up nothing else.
 */
export async function mapInTurns<T, R>(values: Iterable<T>, make: (value: T) => R | undefined): Promise<R[]> {
  const made: R[] = [];
  let since = performance.now();
  let count = 0;
  for (const value of values) {
    const one = make(value);
    if (one !== undefined) made.push(one);
    count += 1;
    if (count % 64 === 0 && performance.now() - since > AT_ONCE_MS) {
      await turn();
      since = performance.now();
    }
  }
  return made;
}
