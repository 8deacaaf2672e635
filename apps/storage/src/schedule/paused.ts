import type { JobDocument } from '@magpie/store';

/**
 * The end of the pause within which `at` (ms) lies, by the job's history: from when it was asked to pause until it was
 * resumed; undefined when the job was not paused then, or still is.
 */
export function endOfPause(history: JobDocument['history'], at: number): number | undefined {
  let began: number | undefined;
  for (const { to, at: when } of history) {
    const time = when.getTime();
    if (to === 'pausing') began = time;
    else if (to !== 'paused' && began !== undefined) {
      if (began <= at && at < time) return time;
      began = undefined;
    }
  }
  return undefined;
}
