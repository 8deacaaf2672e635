import { isDuplicateKey, type Store } from './connect.ts';
import type { CompanyDocument, JobDocument } from './documents.ts';
import { addTargets } from './targets.ts';

/** The same name but for case and space is the same company. */
export const companyId = (name: string): string =>
  name.normalize('NFC').trim().replace(/\s+/g, ' ').toLowerCase();

/**
 * Has a job measure a company's pages too, and enters the company: in this order, so that whoever is entered is
 * measured. Gives whether it was entered; not when there is one of that name.
 * @throws JobIsOver
 */
export async function addCompany(
  store: Store,
  job: Pick<JobDocument, '_id' | 'source'>,
  company: CompanyDocument,
): Promise<boolean> {
  await store.connected();
  try {
    await store.transaction((session) =>
      addTargets(store, session, { id: job._id, source: job.source }, company.pages),
    );
    await store.companies.collection.insertOne(company as never);
    return true;
  } catch (error) {
    if (isDuplicateKey(error)) return false;
    throw error;
  }
}
