import { jest } from '@jest/globals';
import { Receiving } from '../uploads/receiving.ts';

/** The next upload that stops does `first` when it is about to. */
export function whenAboutToStop(first: () => Promise<void>): void {
  const { stopped } = Receiving.prototype;
  jest.spyOn(Receiving.prototype, 'stopped').mockImplementationOnce(async function (this: Receiving, change) {
    await first();
    return stopped.call(this, change);
  });
}
