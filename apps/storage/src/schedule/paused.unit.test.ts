import type { JobDocument } from '@magpie/store';
import { endOfPause } from './paused.ts';

const history = (...steps: [to: JobDocument['state'], at: number][]): JobDocument['history'] =>
  steps.map(([to, at], rev) => ({ rev, at: new Date(at), from: null, to }));

describe('the pause within which an instant lies', () => {
  const twice = history(
    ['running', 0],
    ['pausing', 10],
    ['paused', 12],
    ['running', 20],
    ['waiting', 25],
    ['pausing', 30],
    ['paused', 31],
    ['running', 40],
  );
  it.each([
    [5, undefined],
    [9, undefined],
    [10, 20],
    [11, 20],
    [19, 20],
    [20, undefined],
    [29, undefined],
    [30, 40],
    [39, 40],
    [50, undefined],
  ])('%d: %s', (at, end) => expect(endOfPause(twice, at)).toBe(end));

  it('has no end while it lasts, nor where the job is about to stop', () => {
    expect(endOfPause(history(['running', 0], ['pausing', 10], ['paused', 12]), 11)).toBeUndefined();
  });
});
