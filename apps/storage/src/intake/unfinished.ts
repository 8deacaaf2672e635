/** Outcomes other than done: what becomes of the step, and of those who wait for it. */
import { idOf, nextOrder, retryDelay } from '@magpie/domain';
import type { JobDocument, LinkDocument, StepDocument } from '@magpie/store';
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
      const { retries } = context.terms;
      if (step.attempt >= (retries ? retries.times + 1 : limits.maxAttempts))
        return giveUp(context, 'failed', outcome.code, outcome.message, outcome.status);
      const notBefore = new Date(now.getTime() + (retries?.delayMs ?? retryDelay(step.attempt)));
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
    // Which credential may serve is the quotas' business: the dispatcher asks them before it comes out again.
    case 'credential':
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
export const recipe = ({
  kind,
  key,
  url,
  input,
  fetches,
  distinct,
  urgent,
}: StepDocument): NonNullable<LinkDocument['step']> => ({
  kind,
  key,
  ...(url === undefined ? {} : { url }),
  input,
  ...(fetches === undefined ? {} : { fetches }),
  ...(distinct === undefined ? {} : { distinct }),
  ...(urgent ? { urgent } : {}),
});

/** How to fetch one of the items that a step was to fetch together. */
export const recipeOfOne = (
  { fetches: _fetches, ...step }: StepDocument,
  url: string,
): NonNullable<LinkDocument['step']> => ({
  ...recipe(step),
  key: url,
  input: { ...step.input, urls: [url] },
});

/**
 * Ends a step without success. In a run, one that fetches items together fails the run, and the next takes it up whole.
 * A failed one stays in the frontier, waited for by nobody, so that it can be tried again. */
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
    const error = fault(context, job, code, message, status);
    if (link?.state === 'pending')
      ledger.settle(link, state, { error, ...(state === 'failed' ? { step: recipe(step) } : {}) });
    else if (link === undefined && !step.item && (!step.fetches || job.run !== null))
      ledger.open({ ...untraced(job, step, state), error, step: recipe(step) });
    giveUpTogether(context, job, error);
  }
  if (step.fetches) ledger.steps.delete(step._id);
  else if (state === 'failed') ledger.steps.put(idle(step, 'failed', { jobs: [] }));
  else ledger.steps.delete(step._id);
}

/** The line of a step that is in no ledger while all goes well. */
const untraced = (job: JobDocument, step: StepDocument, state: 'failed' | 'skipped'): LinkDocument => ({
  _id: linkId(job._id, step._id),
  jobId: job._id,
  target: step._id,
  of: 'step',
  kind: step.kind,
  url: step.url ?? '',
  state,
  order: nextOrder(),
});

/** Those of the items that a step was to fetch together and that did not come: each may be tried again by itself. */
export function giveUpTogether(
  { ledger, step }: Context,
  job: JobDocument,
  error: NonNullable<LinkDocument['error']>,
): void {
  for (const url of step.fetches?.urls ?? []) {
    const link = ledger.links.get(linkId(job._id, idOf(step.fetches?.kind ?? '', url)));
    if (link?.state !== 'pending') continue;
    ledger.settle(link, 'failed', { error, step: recipeOfOne(step, url) });
  }
}
