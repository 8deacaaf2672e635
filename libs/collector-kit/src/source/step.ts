import { Type, type Static, type TObject } from 'typebox';
import type { FoundItem, NextStep, OutcomeOf, Sample, TargetReport } from '@magpie/contracts';
import type { StepContext } from '../context/context.ts';

export type { StepContext };

const Ms = (description: string) =>
  Type.Integer({ minimum: 0, description: `${description}; ms since the epoch` });

/** Which run of a job with a schedule a step belongs to. */
export const RunInput = Type.Object({
  number: Type.Integer({ minimum: 1 }),
  at: Ms('When it was due'),
  previousAt: Type.Optional(Ms('When the one before it was due')),
  last: Type.Optional(Type.Boolean({ description: 'No run comes after it' })),
});
export type RunInput = Static<typeof RunInput>;

/** Input of the step that every job begins with. */
export type StartInput<P> = {
  params: P;
  /** Only in a job with a schedule. */
  run?: RunInput;
  /** Where an earlier `start` left off, when it had more to say than one step may. */
  from?: number;
};

/** Input of a step that measures targets. */
export type TargetsInput<P> = {
  /** Which of the parameter's values, as the job names them. */
  targets: string[];
  params: P;
  run?: RunInput;
};

/** One step as a source sees it. */
export interface Step<I = Record<string, unknown>> {
  readonly id: string;
  readonly jobId: string;
  readonly kind: string;
  readonly url?: string;
  /** From 1; raised by each `Retryable` failure. */
  readonly attempt: number;
  readonly input: I;
  /** Of the item as it is stored, when the job wants it fetched only if it changed. */
  readonly etag?: string;
  readonly lastModified?: string;
}

/** What a step brought. A repeat of the step must bring the same. */
export interface StepResult {
  /** At most 5,000. */
  readonly items?: readonly FoundItem[];
  /** At most 10,000, and 3.5 MiB as JSON together with the items; what has more to say ends with a step that continues. See `withinLimits`. */
  readonly next?: readonly NextStep[];
  /** A conditional GET said: not modified. */
  readonly unchanged?: boolean;
  /** What was measured, at most 1,000. */
  readonly samples?: readonly Sample[];
  /** What else was learned of targets, at most 1,000. */
  readonly targets?: readonly TargetReport[];
  /** The period that was really seen: its oldest and its newest, ms since the epoch. */
  readonly coverage?: Readonly<NonNullable<OutcomeOf<'done'>['coverage']>>;
}

type HandlerOf<I, S> = {
  bivarianceHack(step: Step<I>, context: StepContext<S>): Promise<StepResult> | StepResult;
}['bivarianceHack'];

/** Does one step. Short (seconds), safe to repeat, ends soon after `context.signal` aborts. */
export type Handler<I = Record<string, unknown>, S = Readonly<Record<string, unknown>>> = HandlerOf<I, S> & {
  readonly input?: TObject;
};

/** A handler whose input has a schema: it is validated before the handler sees it, and typed. */
export function step<I extends TObject, S = Readonly<Record<string, unknown>>>(
  input: I,
  handler: HandlerOf<Static<I>, S>,
): Handler<Static<I>, S> {
  return Object.assign((one: Step<Static<I>>, context: StepContext<S>) => handler(one, context), { input });
}
