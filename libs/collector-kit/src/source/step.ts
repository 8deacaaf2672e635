import type { Static, TObject } from 'typebox';
import type { FoundItem, NextStep } from '@magpie/contracts';
import type { StepContext } from '../context/context.ts';

export type { StepContext };

/** Input of the step that every job begins with. */
export type StartInput<P> = {
  params: P;
  /** Where an earlier `start` left off, when it had more to say than one step may. */
  from?: number;
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
}

type HandlerOf<I> = {
  bivarianceHack(step: Step<I>, context: StepContext): Promise<StepResult> | StepResult;
}['bivarianceHack'];

/** Does one step. Short (seconds), safe to repeat, ends soon after `context.signal` aborts. */
export type Handler<I = Record<string, unknown>> = HandlerOf<I> & { readonly input?: TObject };

/** A handler whose input has a schema: it is validated before the handler sees it, and typed. */
export function step<S extends TObject>(input: S, handler: HandlerOf<Static<S>>): Handler<Static<S>> {
  return Object.assign((one: Step<Static<S>>, context: StepContext) => handler(one, context), { input });
}
