/** Outcomes other than done: what becomes of the step, and of those who wait for it. */
import { retryDelay } from '@magpie/domain';
import type { LinkDocument, StepDocument } from '@magpie/store';
import { fault, idle, type Context, type TakenOutcome } from './context.ts';
import { linkId } from './discover.ts';

/** As if it had not been dispatched. */
export const giveBack = ({ ledger, step }: Context): void => ledger.steps.put(idle(step, 'ready'));

/** Takes in what is not done. */
export function unfinished(
  context: Context,
  outcome: Exclude<TakenOutcome, { outcome: 'done' | 'part' }>,
): void {
  const { ledger, effects, limits, step, waiters, now } = context;
  switch (outcome.outcome) {
    case 'failed':
      return giveUp(context, 'failed', outcome.code, outcome.message, outcome.status);
    case 'skipped':
      return giveUp(context, step.item ? 'skipped' : 'failed', outcome.code, outcome.message, outcome.status);
    case 'retry': {
      if (step.attempt >= limits.maxAttempts)
        return giveUp(context, 'failed', outcome.code, outcome.message, outcome.status);
      const notBefore = new Date(now.getTime() + retryDelay(step.attempt));
      return ledger.steps.put(idle(step, 'later', { attempt: step.attempt + 1, notBefore }));
    }
    case 'backoff': {
      effects.backoffs.set(
        outcome.host,
        Math.max(effects.backoffs.get(outcome.host) ?? 0, outcome.until ?? 0) || undefined,
      );
      if (step.backoffs + 1 >= limits.maxBackoffs)
        return giveUp(context, 'failed', 'host_backoff', outcome.message, outcome.status);
      const notBefore = new Date(now.getTime() + 1000);
      return ledger.steps.put(idle(step, 'later', { backoffs: step.backoffs + 1, notBefore }));
    }
    case 'wait': {
      for (const job of waiters) {
        if (job.state !== 'running' && job.state !== 'queued') continue;
        job.waiting = { reason: outcome.reason, until: new Date(outcome.until), detail: outcome.message };
        job.history.push({ rev: job.rev, at: now, from: job.state, to: 'waiting', reason: outcome.reason });
        job.state = 'waiting';
      }
      return giveBack(context);
    }
    case 'released':
      return giveBack(context);
    case 'expired': {
      const expiries = (step.expiries ?? 0) + (outcome.counts ? 1 : 0);
      if (expiries >= limits.maxExpiries)
        return giveUp(
          context,
          'failed',
          'step_quarantined',
          'Nothing was heard of it each time it was tried',
        );
      return ledger.steps.put(idle(step, 'ready', { expiries }));
    }
    case 'interrupted': {
      if (step.crashes + 1 >= limits.maxCrashes)
        return giveUp(context, 'failed', 'step_quarantined', 'Its collector died each time it was tried');
      return ledger.steps.put(idle(step, 'ready', { crashes: step.crashes + 1 }));
    }
  }
}

/** How to make a step again. */
const recipe = ({ kind, key, url, input }: StepDocument): NonNullable<LinkDocument['step']> => ({
  kind,
  key,
  ...(url === undefined ? {} : { url }),
  input,
});

/** Ends a step without success. A failed one stays in the frontier, waited for by nobody, so that it can be tried again. */
function giveUp(
  context: Context,
  state: 'failed' | 'skipped',
  code: string,
  message: string,
  status?: number,
): void {
  const { ledger, step, waiters } = context;
  for (const job of waiters) {
    const link = ledger.links.get(linkId(job._id, step._id));
    if (link?.state === 'pending')
      ledger.settle(link, state, {
        error: fault(context, job, code, message, status),
        ...(state === 'failed' ? { step: recipe(step) } : {}),
      });
  }
  if (state === 'failed') ledger.steps.put(idle(step, 'failed', { jobs: [] }));
  else ledger.steps.delete(step._id);
}
