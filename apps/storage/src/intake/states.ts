import type { JobState } from '@magpie/contracts';

/** Jobs in these states take no results any more. */
export const PASSING_DROPPED: ReadonlySet<JobState> = new Set<JobState>(['terminating', 'terminated']);
