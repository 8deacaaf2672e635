/**
 * One intake transaction: what a batch of outcomes changes.
 *
 * Runs twice (a redelivered result): the steps are gone, so nothing changes but files that nobody refers to.
 * The process dies on any line: the transaction is undone, the message comes again.
 * Two replicas at once: both lock the jobs they write; one of them starts over.
 */
import type { FoundItem, NextStep, OutcomeOf } from '@magpie/contracts';
import { idOf, nextOrder } from '@magpie/domain';
import type { ItemDocument, JobDocument, LinkDocument, StepDocument } from '@magpie/store';
import { attach, discover, expand, foresee, hasAllItems, itemDocument, linkId } from './discover.ts';
import type { Ledger } from './ledger.ts';
import {
  fault,
  idle,
  type Context,
  type Effects,
  type IntakeLimits,
  type SourceTerms,
  type TakenOutcome,
} from './context.ts';
import { measures } from '../samples/take-samples.ts';
import { giveBack, giveUpTogether, recipe, unfinished } from './unfinished.ts';

export interface SourcedOutcome {
  source: string;
  outcome: TakenOutcome;
}

export async function applyOutcomes(
  ledger: Ledger,
  batch: readonly SourcedOutcome[],
  limits: IntakeLimits,
  missing: (found: readonly FoundItem[]) => Promise<ReadonlySet<string>>,
  termsOf: (source: string) => SourceTerms = () => ({}),
  now = new Date(),
): Promise<Effects> {
  const effects: Effects = {
    jobs: new Set(),
    backoffs: new Map(),
    answered: new Set(),
    calls: [],
    pending: ledger.measurements.pending,
  };
  await ledger.steps.load(batch.map(({ outcome }) => outcome.id));
  const steps = batch.flatMap(({ outcome }) => ledger.steps.get(outcome.id) ?? []);
  await ledger.lock(steps.flatMap(({ jobs }) => jobs));
  await ledger.links.load(steps.flatMap(({ _id, jobs }) => jobs.map((job) => linkId(job, _id))));
  await ledger.items.load([
    ...steps.filter(({ item }) => item).map(({ _id }) => _id),
    ...batch.flatMap(({ outcome }) =>
      outcome.outcome === 'done' ? outcome.items.map(({ kind, url }) => idOf(kind, url)) : [],
    ),
  ]);
  await ledger.links.load(
    batch.flatMap(({ outcome }) => {
      const jobs = ledger.steps.get(outcome.id)?.jobs ?? [];
      if (outcome.outcome !== 'done') return [];
      return outcome.items.flatMap(({ kind, url }) => jobs.map((job) => linkId(job, idOf(kind, url))));
    }),
  );
  await ledger.links.load(
    steps.flatMap(({ fetches, jobs }) =>
      (fetches?.urls ?? []).flatMap((url) => jobs.map((job) => linkId(job, idOf(fetches?.kind ?? '', url)))),
    ),
  );

  await foresee(
    ledger,
    batch.flatMap(({ outcome }) => {
      if (outcome.outcome !== 'done' && outcome.outcome !== 'part') return [];
      const waiters = (ledger.steps.get(outcome.id)?.jobs ?? []).flatMap((id) => ledger.jobs.get(id) ?? []);
      return waiters.flatMap((job) => outcome.next.map((next): [JobDocument, NextStep] => [job, next]));
    }),
  );

  await ledger.measurements.load(
    batch.flatMap(({ outcome }) =>
      outcome.outcome === 'done' && measures(outcome)
        ? (ledger.steps.get(outcome.id)?.jobs ?? []).map((job) => ({ job, outcome }))
        : [],
    ),
  );

  const gone = await missing(
    batch.flatMap(({ outcome }) => (outcome.outcome === 'done' ? outcome.items : [])),
  );

  for (const { source, outcome } of batch) {
    const step = ledger.steps.get(outcome.id);
    if (step === undefined || !isCurrent(step, outcome)) {
      if (outcome.outcome === 'done') dropFiles(ledger, outcome.items);
      continue;
    }
    const waiters = step.jobs.flatMap((id) => ledger.jobs.get(id) ?? []);
    for (const { _id } of waiters) effects.jobs.add(_id);
    const news = new Set<string>();
    const terms = termsOf(source);
    const context: Context = { ledger, effects, limits, source, terms, news, step, waiters, now };
    if (outcome.outcome !== 'part') countCalls(context, outcome);
    if (waiters.length === 0) {
      ledger.steps.delete(step._id);
      if (outcome.outcome === 'done') dropFiles(ledger, outcome.items);
    } else if (outcome.outcome === 'done') {
      if (outcome.items.some(({ file }) => file && gone.has(file.path))) giveBack(context);
      else await done(context, outcome);
    } else if (outcome.outcome === 'part') {
      await discoverAll(context, outcome.next);
    } else {
      unfinished(context, outcome);
    }
  }
  return effects;
}

/** What was done counts whoever did it; anything else counts only for the dispatch that is out. */
const isCurrent = (step: StepDocument, outcome: TakenOutcome): boolean =>
  outcome.outcome === 'done' || outcome.outcome === 'part'
    ? step.state !== 'failed'
    : step.state === 'leased' && step.lease === outcome.lease;

const dropFiles = (ledger: Ledger, items: readonly FoundItem[]): void => {
  for (const { file } of items) if (file) ledger.orphans.add(file.path);
};

async function done(context: Context, outcome: OutcomeOf<'done'>): Promise<void> {
  const { ledger, effects, source, step, waiters } = context;
  if (step.host !== '') effects.answered.add(step.host);
  for (const found of outcome.items) {
    const id = idOf(found.kind, found.url);
    keep(context, id, found);
  }
  if (step.item) {
    const item = ledger.items.get(step._id);
    if (item === undefined && outcome.unchanged) {
      // It went with the job that had it while the host was asked whether it had changed: fetch it whole.
      const { etag: _etag, lastModified: _lastModified, ...whole } = idle(step, 'ready');
      ledger.steps.put(whole);
      return;
    }
    for (const job of waiters) {
      const link = ledger.links.get(linkId(job._id, step._id));
      if (link?.state !== 'pending') continue;
      if (item === undefined)
        ledger.settle(link, 'failed', {
          error: fault(
            context,
            job,
            Array.isArray(step.input['urls']) ? 'not_available' : 'source_error',
            'The source returned no item',
          ),
          step: recipe(step),
        });
      else attach(ledger, link, ledger.items.get(step._id) ?? item, { fetched: false, brought: false });
    }
    if (item && outcome.unchanged)
      ledger.items.put({ ...(ledger.items.get(step._id) ?? item), checkedAt: context.now });
    if (item)
      for (const job of waiters) {
        const link = ledger.links.get(linkId(job._id, step._id));
        if (link) expand(ledger, source, job, link, item);
      }
  } else {
    const message = 'The provider did not show it';
    for (const job of waiters) {
      settleOwn(ledger, job, step, 'done');
      giveUpTogether(context, job, fault(context, job, 'not_available', message));
      if (outcome.coverage) job.coverage = widened(job.coverage, outcome.coverage);
    }
  }
  if (measures(outcome))
    for (const job of waiters)
      ledger.measurements.take(job, step, outcome, context.terms.targets?.jumpParam, context.now);
  ledger.steps.delete(step._id);
  await discoverAll(context, outcome.next);
}

const discoverAll = ({ ledger, source, waiters, news }: Context, found: readonly NextStep[]): Promise<void> =>
  discover(
    ledger,
    source,
    waiters.flatMap((job) => found.map((next): [JobDocument, NextStep] => [job, next])),
    news,
  );

const widened = (seen: JobDocument['coverage'], { from, to }: { from: number; to: number }) => ({
  from: new Date(Math.min(from, seen?.from.getTime() ?? Infinity)),
  to: new Date(Math.max(to, seen?.to.getTime() ?? -Infinity)),
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** Counts the calls that a step made, for the job that it was dispatched for, and has the rest of its charge returned. */
function countCalls(
  { effects, step, waiters }: Context,
  outcome: Exclude<TakenOutcome, { outcome: 'part' }>,
): void {
  const { charge } = step;
  if (charge === undefined || step.state !== 'leased' || step.lease !== outcome.lease) return;
  const unknown = outcome.outcome === 'interrupted' || outcome.outcome === 'expired';
  const spent = unknown ? undefined : (outcome.spent ?? {});
  const calls = Object.entries(spent ?? charge.calls);
  const payer = waiters.find(({ _id }) => _id === step.leasedFor) ?? waiters[0];
  if (payer)
    payer.tally = {
      ...payer.tally,
      requests: payer.tally.requests + sum(calls.map(([, count]) => count)),
      units:
        payer.tally.units + sum(calls.map(([operation, count]) => count * (charge.costs[operation] ?? 0))),
    };
  effects.calls.push({
    charge,
    spent,
    ...(unknown || outcome.usage === undefined ? {} : { usage: outcome.usage }),
    ...(outcome.outcome === 'credential'
      ? {
          verdict: {
            state: outcome.state,
            message: outcome.message,
            ...(outcome.until === undefined ? {} : { until: outcome.until }),
          },
        }
      : {}),
  });
}

/** Puts an item in, or the newer state of it, and links the jobs: the one it was fetched for brought it. */
function keep(context: Context, id: string, found: FoundItem): void {
  const { ledger, source, step, waiters, now } = context;
  const before = ledger.items.get(id);
  const takers = waiters.filter((job) => {
    const known = ledger.links.get(linkId(job._id, id));
    return known ? known.state === 'pending' : !hasAllItems(job);
  });
  if (takers.length === 0 && before === undefined) return dropFiles(ledger, [found]);
  const fresh = itemDocument(source, found, id, now, context.terms);
  if (before === undefined) {
    ledger.items.put(fresh);
  } else {
    const changed =
      before.file?.sha256 !== fresh.file?.sha256 ||
      JSON.stringify(before.data) !== JSON.stringify(fresh.data);
    if (before.file && before.file.path !== fresh.file?.path) ledger.orphans.add(before.file.path);
    ledger.items.put({
      ...fresh,
      refs: before.refs,
      order: before.order,
      storedAt: before.storedAt,
      ...(before.importedBy === undefined
        ? {}
        : { importedBy: before.importedBy, importedRow: before.importedRow }),
      revision: before.revision + (changed ? 1 : 0),
    });
  }
  const owner = takers.find(({ _id }) => _id === step.leasedFor) ?? takers[0];
  for (const job of takers) {
    const known = ledger.links.get(linkId(job._id, id));
    if (known === undefined) context.news.add(job._id);
    const link = known ?? newItemLink(job, id, found);
    const item = ledger.items.get(id) as ItemDocument;
    const fetched = job === owner;
    attach(ledger, link, item, {
      fetched,
      brought: fetched && before === undefined,
    });
  }
}

const newItemLink = (job: JobDocument, id: string, found: FoundItem): LinkDocument => ({
  _id: linkId(job._id, id),
  jobId: job._id,
  target: id,
  of: 'item',
  kind: found.kind,
  url: found.url,
  state: 'pending',
  order: nextOrder(),
  ...(found.accept ? { accept: found.accept } : {}),
});

function settleOwn(
  ledger: Ledger,
  job: JobDocument,
  step: StepDocument,
  state: 'done' | 'failed',
  error?: LinkDocument['error'],
): void {
  const link = ledger.links.get(linkId(job._id, step._id));
  if (link?.state === 'pending') ledger.settle(link, state, error ? { error } : {});
}
