/**
 * The job's state machine, pure.
 *
 * `queued → running ⇄ waiting → completed | failed | stopped | terminated`, and from any live state
 * `pausing → paused → running`, `stopping → stopped`, `terminating → terminated`.
 * An upload whose sender goes away while it is paused has failed.
 * An import that has ended can still be taken back: `completed | failed | stopped → terminating → terminated`, and
 * with it the jobs that it made.
 * Who makes a transition does it by compare-and-set on `{state, epoch}`.
 */
export const TRANSITIONS = {
  queued: ['running', 'waiting', 'pausing', 'stopping', 'terminating', 'completed', 'failed'],
  running: ['waiting', 'pausing', 'stopping', 'terminating', 'completed', 'failed'],
  waiting: ['running', 'pausing', 'stopping', 'terminating', 'completed', 'failed'],
  pausing: ['paused', 'stopping', 'terminating', 'failed'],
  paused: ['running', 'stopping', 'terminating', 'failed'],
  stopping: ['stopped', 'terminating'],
  stopped: ['running', 'terminating'],
  terminating: ['terminated'],
  terminated: [],
  completed: ['running', 'terminating'],
  failed: ['running', 'terminating'],
} as const satisfies Record<string, readonly string[]>;

export type State = keyof typeof TRANSITIONS;

/** What a person can ask of a job: where it may be asked, where it leads, whether it makes a new epoch. */
export const ACTIONS = {
  pause: { from: ['queued', 'running', 'waiting'], to: 'pausing', newEpoch: false },
  resume: { from: ['paused'], to: 'running', newEpoch: true },
  stop: { from: ['queued', 'running', 'waiting', 'pausing', 'paused'], to: 'stopping', newEpoch: false },
  terminate: {
    from: ['queued', 'running', 'waiting', 'pausing', 'paused', 'stopping'],
    to: 'terminating',
    newEpoch: true,
  },
  retry: { from: ['stopped', 'completed', 'failed'], to: 'running', newEpoch: true },
} as const satisfies Record<string, { from: readonly State[]; to: State; newEpoch: boolean }>;

export type Action = keyof typeof ACTIONS;

/** From these too `terminate` may be asked of what can be taken back after its end. */
export const TAKEN_BACK_FROM = ['completed', 'failed', 'stopped'] as const satisfies readonly State[];

/** States in which steps are dispatched, or would be if nothing had to be waited for. */
export const DISPATCHING = ['queued', 'running', 'waiting'] as const satisfies readonly State[];

/** States in which a job is over. Only `terminated` is so for good. */
export const ENDED = ['completed', 'failed', 'stopped', 'terminated'] as const satisfies readonly State[];

/** States on the way to another one; storage brings them there. */
export const PASSING = ['pausing', 'stopping', 'terminating'] as const satisfies readonly State[];

export const isEnded = (state: State): boolean => (ENDED as readonly State[]).includes(state);

/** Whether `to` may follow `from`. */
export const canTransition = (from: State, to: State): boolean =>
  (TRANSITIONS[from] as readonly State[]).includes(to);

/** What of a transfer says whether it can be retried, and taken back. */
export interface Retriable {
  kind: string;
  options: Record<string, unknown>;
  expiresAt: Date | null;
}

/**
 * What can be asked of a job in this state, in the order of `ACTIONS`. An upload that has ended is over: only one by
 * tus that was stopped can go on, while its bytes are kept. An import that has ended can be terminated: what it brought
 * is then taken back.
 */
export const allowedActions = (state: State, transfer?: Retriable): Action[] =>
  (Object.keys(ACTIONS) as Action[]).filter(
    (action) =>
      ((ACTIONS[action].from as readonly State[]).includes(state) &&
        (action !== 'retry' || transfer?.kind !== 'upload' || isKept(state, transfer))) ||
      (action === 'terminate' && canBeTakenBack(state, transfer)),
  );

const isKept = (state: State, { options, expiresAt }: Retriable): boolean =>
  state === 'stopped' && options['protocol'] === 'tus' && expiresAt !== null;

const canBeTakenBack = (state: State, transfer?: Retriable): boolean =>
  (TAKEN_BACK_FROM as readonly State[]).includes(state) &&
  transfer?.kind === 'import' &&
  transfer.options['dryRun'] !== true;
