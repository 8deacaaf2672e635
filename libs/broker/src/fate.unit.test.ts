import { Poison, RetryLater } from './errors.ts';
import { fateOf } from './fate.ts';
import { DEAD_QUEUE } from './topology.ts';

const at = (attempt: number, queue = 'a.b.c') => ({ attempt, queue, retryDelaysMs: [1000, 5000, 30_000] });

describe('the fate of a message that was not handled', () => {
  it.each([
    [1, 1000],
    [2, 5000],
    [3, 30_000],
  ])('attempt %i comes again after %i ms', (attempt, delayMs) => {
    expect(fateOf(new Error('?'), at(attempt))).toEqual({ kind: 'retry', delayMs, attempt: attempt + 1 });
    expect(fateOf(new RetryLater('busy'), at(attempt))).toEqual({
      kind: 'retry',
      delayMs,
      attempt: attempt + 1,
    });
  });

  it('is a dead letter after the last attempt, whatever delay was asked for', () => {
    expect(fateOf('thrown text', at(4))).toEqual({ kind: 'dead', reason: 'attempts_exhausted' });
    expect(fateOf(new RetryLater('busy', { delayMs: 1 }), at(4))).toEqual({
      kind: 'dead',
      reason: 'attempts_exhausted',
    });
  });

  it.each([
    [0, 1000],
    [1001, 5000],
    [5000, 5000],
    [999_999, 30_000],
  ])('a wanted delay of %i ms becomes the level of %i ms', (delayMs, level) => {
    expect(fateOf(new RetryLater('busy', { delayMs }), at(1))).toMatchObject({ delayMs: level, attempt: 2 });
  });

  it('is a dead letter at once with the reason of Poison', () => {
    expect(fateOf(new Poison('bad_page'), at(1))).toEqual({ kind: 'dead', reason: 'bad_page' });
  });

  it('is never a dead letter when it is one already', () => {
    expect(fateOf(new Poison('x'), at(1, DEAD_QUEUE.name))).toMatchObject({ kind: 'retry', delayMs: 1000 });
    expect(fateOf(new Error('x'), at(99, DEAD_QUEUE.name))).toMatchObject({ kind: 'retry', delayMs: 30_000 });
  });
});
