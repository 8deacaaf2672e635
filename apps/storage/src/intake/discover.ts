/**
 * What a job found: lines of its ledger, and steps for what is not kept yet.
 *
 * An item that is kept is linked, not fetched; one that is being fetched for another job gets this job as one more
 * waiter; one that failed before is tried again. The step's `_id` is the item's id, so the unique index decides.
 */
import type { Accept, FoundItem, NextStep } from '@magpie/contracts';
import { hostKey, idOf, nextOrder, searchTerms } from '@magpie/domain';
import type { ItemDocument, JobDocument, LinkDocument, StepDocument } from '@magpie/store';
import type { SourceTerms } from './context.ts';
import type { Ledger } from './ledger.ts';

export const linkId = (jobId: string, target: string): string => `${jobId}:${target}`;

/** Whether a job that asked for `accept` takes the item. */
export function accepts(accept: Accept | undefined, item: Pick<ItemDocument, 'file'>): boolean {
  if (accept === undefined || item.file === undefined) return true;
  const { width = Infinity, height = Infinity, bytes } = item.file;
  return (
    bytes >= (accept.minBytes ?? 0) && width >= (accept.minWidth ?? 0) && height >= (accept.minHeight ?? 0)
  );
}

/**
 * Links a job to an item that is kept.
 * @param how whether it was fetched for this job, and whether that brought the item in the first place
 */
export function attach(
  ledger: Ledger,
  link: LinkDocument,
  item: ItemDocument,
  { fetched, brought }: { fetched: boolean; brought: boolean },
): void {
  const accepted = accepts(link.accept, item);
  const state = !accepted ? 'skipped' : fetched ? 'stored' : 'shared';
  const rest = {
    ...(accepted || brought ? { brought: brought || link.brought === true } : {}),
    ...(accepted
      ? {}
      : {
          error: {
            code: 'filtered',
            message: 'Smaller than the job asked for',
            attempt: 1,
            at: new Date(),
            epoch: ledger.jobs.get(link.jobId)?.epoch ?? 0,
          },
        }),
  };
  if (ledger.links.get(link._id) === undefined) ledger.open({ ...link, state, ...rest });
  else ledger.settle(link, state, rest);
  if (accepted) ledger.items.put({ ...item, refs: item.refs + 1 });
}

/** A job's own step is another one in each run. */
const target = ({ _id, run }: JobDocument, { item, kind, key }: NextStep): string =>
  item ? idOf(item.kind, item.url) : idOf(_id, kind, key, ...(run === null ? [] : [String(run.number)]));

/** Reads what entering these steps will need, for all of a batch at once. */
export async function foresee(ledger: Ledger, found: readonly [JobDocument, NextStep][]): Promise<void> {
  const rows = found.map(([job, next]) => ({ job, next, id: target(job, next) }));
  await ledger.links.load(rows.map(({ job, id }) => linkId(job._id, id)));
  const fresh = rows.filter(
    ({ job, id }) => job.schedule !== null || ledger.links.get(linkId(job._id, id)) === undefined,
  );
  await ledger.items.load(fresh.filter(({ next }) => next.item).map(({ id }) => id));
  await ledger.steps.load(fresh.map(({ id }) => id));
  const together = found.flatMap(([job, { fetches }]) => {
    if (fetches === undefined) return [];
    return fetches.urls.map((url): [string, string] => [job._id, idOf(fetches.kind, url)]);
  });
  await ledger.links.load(together.map(([job, id]) => linkId(job, id)));
  await ledger.items.load(together.map(([, id]) => id));
}

/**
 * Enters `found` steps of a job into its ledger and the frontier; those it knows are passed over.
 * Beyond the job's `maxItems` and `maxPages` nothing is entered.
 * @param news jobs to which the same result brought something new; those to which these steps do are added
 */
export async function discover(
  ledger: Ledger,
  source: string,
  found: readonly [JobDocument, NextStep][],
  news: Set<string>,
): Promise<void> {
  await foresee(ledger, found);
  for (const [job, next] of found)
    if (!next.onlyIfNew && enterOrPass(ledger, source, job, next)) news.add(job._id);
  for (const [job, next] of found)
    if (next.onlyIfNew && news.has(job._id)) enterOrPass(ledger, source, job, next);
}

/** Whether it brings an item that the job did not have. */
function enterOrPass(ledger: Ledger, source: string, job: JobDocument, next: NextStep): boolean {
  const id = target(job, next);
  if (next.fetches) return enterTogether(ledger, source, job, next, id);
  const link = ledger.links.get(linkId(job._id, id));
  if (link !== undefined) {
    lookAgain(ledger, source, job, link, next, id);
    return false;
  }
  if (isFull(job, next)) return false;
  enter(ledger, source, job, next, id);
  return next.item !== undefined;
}

/**
 * What a job with a schedule meets again, once a run: an item that failed is tried again, one that it has is fetched
 * again if the job wants it rechecked; the line of its ledger stays as it is meanwhile.
 */
function lookAgain(
  ledger: Ledger,
  source: string,
  job: JobDocument,
  link: LinkDocument,
  next: NextStep,
  id: string,
): void {
  const run = job.run?.number;
  if (run === undefined || next.item === undefined || link.run === run) return;
  const { recheck = 'never' } = next.item;
  const failed = link.state === 'failed';
  if (!failed && (recheck === 'never' || (link.state !== 'stored' && link.state !== 'shared'))) return;
  const kept = ledger.items.get(id);
  if (failed && kept && recheck === 'never')
    return attach(ledger, { ...link, run }, kept, { fetched: false, brought: false });
  if (failed) ledger.settle(link, 'pending', { run });
  else ledger.links.put({ ...link, run });
  putItemStep(ledger, source, job, next, id, kept);
}

/** One step for those of several items that nobody has; the others are linked. */
function enterTogether(
  ledger: Ledger,
  source: string,
  job: JobDocument,
  next: NextStep,
  id: string,
): boolean {
  const { kind, urls } = next.fetches as NonNullable<NextStep['fetches']>;
  const wanted: string[] = [];
  let news = false;
  for (const url of urls) {
    const item = idOf(kind, url);
    if (ledger.links.get(linkId(job._id, item)) !== undefined || hasAllItems(job)) continue;
    news = true;
    const link: LinkDocument = {
      _id: linkId(job._id, item),
      jobId: job._id,
      target: item,
      of: 'item',
      kind,
      url,
      state: 'pending',
      order: nextOrder(),
    };
    const kept = ledger.items.get(item);
    if (kept) attach(ledger, link, kept, { fetched: false, brought: false });
    else {
      ledger.open(link);
      wanted.push(url);
    }
  }
  if (wanted.length > 0)
    ledger.steps.put({
      ...newStep(source, next, id, [job._id]),
      input: { ...next.input, urls: wanted },
      fetches: { kind, urls: wanted },
    });
  return news;
}

const limit = (value: unknown): number => (typeof value === 'number' ? value : Infinity);

/** Whether the job has as many items as it asked for. */
export const hasAllItems = (job: JobDocument): boolean =>
  job.counts.discovered >= limit(job.params['maxItems']);

/** A kind of items that are pages themselves: `maxPages` bounds them too. */
const PAGE_ITEM = 'text';

function isFull(job: JobDocument, { item, kind }: NextStep): boolean {
  const maxPages = limit(job.params['maxPages']);
  if (item === undefined) return kind === 'page' && job.pages.discovered >= maxPages;
  return hasAllItems(job) || (item.kind === PAGE_ITEM && job.counts.discovered >= maxPages);
}

function enter(ledger: Ledger, source: string, job: JobDocument, next: NextStep, id: string): void {
  const { item: wanted } = next;
  const link: LinkDocument = {
    _id: linkId(job._id, id),
    jobId: job._id,
    target: id,
    of: wanted ? 'item' : next.kind === 'page' ? 'page' : 'step',
    kind: wanted?.kind ?? next.kind,
    url: wanted?.url ?? next.url ?? '',
    state: 'pending',
    order: nextOrder(),
    ...(wanted?.accept ? { accept: wanted.accept } : {}),
    ...(wanted?.expand ? { expand: wanted.expand } : {}),
  };
  const kept = wanted && ledger.items.get(id);
  if (kept && (wanted.recheck ?? 'never') === 'never') {
    attach(ledger, link, kept, { fetched: false, brought: false });
    expand(ledger, source, job, link, kept);
    return;
  }
  ledger.open(job.run === null ? link : { ...link, run: job.run.number });
  putItemStep(ledger, source, job, next, id, kept);
}

/** Puts a step into the frontier; one that is there already gets the job as one more that waits for it. */
function putItemStep(
  ledger: Ledger,
  source: string,
  job: JobDocument,
  next: NextStep,
  id: string,
  kept: ItemDocument | undefined,
): void {
  const { item: wanted } = next;
  const present = ledger.steps.get(id);
  if (present && present.state !== 'failed' && present.state !== 'parked') {
    ledger.steps.put({ ...present, jobs: [...new Set([...present.jobs, job._id])] });
    return;
  }
  ledger.steps.put({
    ...newStep(source, next, id, [...new Set([...(present?.jobs ?? []), job._id])]),
    ...(wanted ? { item: { kind: wanted.kind, url: wanted.url } } : {}),
    ...(kept && wanted?.recheck === 'ifChanged' ? validators(kept) : {}),
  });
}

const validators = (item: ItemDocument): Pick<StepDocument, 'etag' | 'lastModified'> => ({
  ...(item.etag ? { etag: item.etag } : {}),
  ...(item.lastModified ? { lastModified: item.lastModified } : {}),
});

function newStep(source: string, next: NextStep, id: string, jobs: string[]): StepDocument {
  return {
    _id: id,
    source,
    kind: next.kind,
    key: next.key,
    ...(next.url ? { url: next.url } : {}),
    host: hostOf(next.url),
    input: next.input,
    ...(next.distinct === undefined ? {} : { distinct: next.distinct }),
    ...(next.urgent ? { urgent: true } : {}),
    jobs,
    state: 'ready',
    // Urgent ones come before all others of their host, and among themselves in order.
    order: next.urgent ? nextOrder() - 2 ** 53 : nextOrder(),
    attempt: 1,
    crashes: 0,
    backoffs: 0,
  };
}

/** Host and port of a URL; '' for what has none. */
export function hostOf(url: string | undefined): string {
  if (url === undefined || !URL.canParse(url)) return '';
  const { host } = new URL(url);
  return host === '' ? '' : hostKey(url);
}

/** With the item there, the job that wanted to go on from it gets a step for that. */
export function expand(
  ledger: Ledger,
  source: string,
  job: JobDocument,
  link: LinkDocument,
  item: ItemDocument,
): void {
  if (link.expand === undefined || (item.outlinks?.length ?? 0) === 0) return;
  const next: NextStep = {
    kind: 'expand',
    key: item.url,
    input: { ...link.expand, url: item.finalUrl, outlinks: item.outlinks },
  };
  const id = target(job, next);
  if (ledger.links.get(linkId(job._id, id)) !== undefined) return;
  ledger.open({
    _id: linkId(job._id, id),
    jobId: job._id,
    target: id,
    of: 'step',
    kind: 'expand',
    url: item.url,
    state: 'pending',
    order: nextOrder(),
  });
  ledger.steps.put(newStep(source, next, id, [job._id]));
}

/** The item document of what a collector found. */
export function itemDocument(
  source: string,
  found: FoundItem,
  id: string,
  now: Date,
  { searchable }: SourceTerms = {},
): ItemDocument {
  const { file } = found;
  const fields = searchable?.[found.kind];
  const texts = (fields ?? []).flatMap((field) => {
    const text = found.data[field];
    return typeof text === 'string' ? [text] : [];
  });
  return {
    _id: id,
    kind: found.kind,
    url: found.url,
    host: hostOf(found.finalUrl ?? found.url),
    finalUrl: found.finalUrl ?? found.url,
    page: found.page ?? null,
    source,
    data: found.data,
    ...(file
      ? {
          file: {
            sha256: file.sha256,
            path: file.path,
            type: file.type,
            bytes: file.bytes,
            ...(file.width === undefined ? {} : { width: file.width }),
            ...(file.height === undefined ? {} : { height: file.height }),
          },
        }
      : {}),
    ...(found.etag ? { etag: found.etag } : {}),
    ...(found.lastModified ? { lastModified: found.lastModified } : {}),
    ...(found.outlinks ? { outlinks: found.outlinks } : {}),
    ...(fields ? { terms: searchTerms(...texts) } : {}),
    refs: 0,
    revision: 1,
    order: nextOrder(),
    storedAt: now,
    checkedAt: now,
  };
}
