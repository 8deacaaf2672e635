import type { ClientSession } from 'mongoose';
import type { Store } from './connect.ts';
import type { CompanyDocument, JobDocument } from './documents.ts';
import { madeBefore, rememberMade, type Idempotency } from './jobs.ts';
import { runOne } from './run-query.ts';
import { SAMPLE_QUERIES } from './sample-queries.ts';
import { addTargets } from './targets.ts';

/** The same name but for case and space is the same company. */
export const companyId = (name: string): string =>
  name.normalize('NFC').trim().replace(/\s+/g, ' ').toLowerCase();

export interface EnteredCompany {
  company: CompanyDocument;
  /** Whether it was entered by an earlier request with the same key. */
  replayed: boolean;
}

/** The company that this key entered; undefined when it entered none. @throws IdempotencyConflict */
export async function companyOfKey(
  store: Store,
  idempotency: Idempotency,
  session?: ClientSession,
): Promise<CompanyDocument | undefined> {
  const made = await madeBefore(store, idempotency, session);
  return made === undefined
    ? undefined
    : runOne<CompanyDocument>(store, SAMPLE_QUERIES.company(made), session);
}

/**
 * Enters a company and has a job measure its pages too, in one transaction. Gives undefined when there is one of that
 * name. Of any number of requests with one idempotency key, also at once, one enters it and all get it.
 * @throws JobIsOver
 * @throws IdempotencyConflict
 */
export async function addCompany(
  store: Store,
  job: Pick<JobDocument, '_id' | 'source'>,
  company: CompanyDocument,
  idempotency?: Idempotency,
): Promise<EnteredCompany | undefined> {
  await store.connected();
  return store.transaction(async (session) => {
    const before = idempotency && (await companyOfKey(store, idempotency, session));
    if (before !== undefined) return { company: before, replayed: true };
    if ((await runOne(store, SAMPLE_QUERIES.company(company._id), session)) !== undefined) return undefined;
    await addTargets(store, session, { id: job._id, source: job.source }, company.pages);
    await store.companies.collection.insertOne(company as never, { session });
    if (idempotency !== undefined)
      await rememberMade(store, session, idempotency, company._id, company.addedAt);
    return { company, replayed: false };
  });
}
