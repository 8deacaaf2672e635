/** Credentials of providers, and the quotas that those of one project share. What is sealed is never read here. */
import { dayIn, newId, nextOrder } from '@magpie/domain';
import { isDuplicateKey, type Store } from './connect.ts';
import { CREDENTIAL_QUERIES, type CredentialFilter, type CredentialPlace } from './credential-queries.ts';
import type { CredentialDocument, QuotaDocument } from './documents.ts';
import { madeBefore, rememberMade, type Idempotency } from './jobs.ts';
import { page, type PageOf, type PageRequest } from './lists.ts';
import { runOne, runQuery } from './run-query.ts';

/** A credential with its quota, and without its secret. */
export interface OpenCredential {
  credential: Omit<CredentialDocument, 'sealed'>;
  quota: QuotaDocument;
}

export interface NewCredential {
  /** Seals the secret for the id that the credential is going to have. */
  seal: (id: string) => string;
  provider: string;
  name: string;
  account?: string | undefined;
  /** Credentials of one project share its quota; its name unless said. */
  project?: string | undefined;
  /** Bounds of its project; undefined: as they are, or else the provider's usual ones. */
  unitsPerDay?: number | null | undefined;
  callsPerHour?: number | null | undefined;
  costs?: Record<string, number> | undefined;
  usual: { unitsPerDay: number | null; callsPerHour: number | null; resetTimeZone: string };
  idempotency?: Idempotency | undefined;
}

export interface CreatedCredential extends OpenCredential {
  /** Whether it was made by an earlier request with the same key. */
  replayed: boolean;
}

export interface CredentialChange {
  name?: string | undefined;
  state?: 'active' | 'disabled' | undefined;
  order?: number | undefined;
  seal?: ((id: string) => string) | undefined;
  account?: string | undefined;
  unitsPerDay?: number | null | undefined;
  callsPerHour?: number | null | undefined;
  costs?: Record<string, number> | undefined;
}

/** There is a credential of that name, or for that account, already. */
export class CredentialExists extends Error {
  override readonly name = 'CredentialExists';
  constructor(what: 'name' | 'account') {
    super(`there is a credential of this ${what} already`);
  }
}

export const quotaId = (provider: string, project: string): string => `${provider}:${project}`;

/**
 * Keeps a credential, in use after all others of its provider. The quota of its project is made, or given these bounds;
 * what was used of it stays counted, also over a removal of all its credentials. Of any number of requests with one
 * idempotency key, also at once, one keeps it and all get it, as it is by then; what was removed since is kept anew.
 * @throws CredentialExists
 * @throws IdempotencyConflict
 */
export async function createCredential(
  store: Store,
  input: NewCredential,
  now = new Date(),
): Promise<CreatedCredential> {
  await store.connected();
  const { provider, name, account, project = name, idempotency } = input;
  const _id = newId(now.getTime());
  const credential: CredentialDocument = {
    _id,
    provider,
    name,
    sealed: input.seal(_id),
    ...(account === undefined ? {} : { account }),
    project,
    state: 'active',
    reason: null,
    order: nextOrder(),
    addedAt: now,
    secretAt: now,
    lastUsedAt: null,
    lastExhaustedAt: null,
    restUntil: null,
    distinct: [],
  };
  const { unitsPerDay, callsPerHour, costs, usual } = input;
  const { resetTimeZone } = usual;
  const asked = given({ unitsPerDay, callsPerHour, costs });
  const rest = { unitsPerDay: usual.unitsPerDay, callsPerHour: usual.callsPerHour, costs: {} };
  const quota = quotaId(provider, project);
  let kept = _id;
  try {
    kept = await store.transaction(async (session) => {
      const made = idempotency && (await madeBefore(store, idempotency, session));
      if (made !== undefined && (await runOne(store, CREDENTIAL_QUERIES.credential(made), session)))
        return made;
      if (
        account !== undefined &&
        (await runOne(store, CREDENTIAL_QUERIES.credentialOfAccount(provider, account), session))
      )
        throw new CredentialExists('account');
      // Looked at first: a name that is taken is an answer, not another writer to be met again.
      if (
        await store.credentials.collection.findOne({ provider, name } as never, {
          session,
          projection: { _id: 1 },
        })
      )
        throw new CredentialExists('name');
      await store.credentials.collection.insertOne(credential as never, { session });
      await store.quotas.collection.updateOne(
        { _id: quota } as never,
        {
          $set: { ...asked, resetTimeZone },
          $setOnInsert: {
            ...Object.fromEntries(Object.entries(rest).filter(([name]) => !(name in asked))),
            provider,
            project,
            day: dayIn(now.getTime(), resetTimeZone),
            used: 0,
            exhaustedUntil: null,
            lastExhaustedAt: null,
            tokens: (callsPerHour === undefined ? usual.callsPerHour : callsPerHour) ?? 0,
            tokensAt: now,
          },
        },
        { session, upsert: true },
      );
      if (idempotency !== undefined) await rememberMade(store, session, idempotency, _id, now);
      return _id;
    });
  } catch (error) {
    if (isDuplicateKey(error)) throw new CredentialExists('name');
    throw error;
  }
  const open = (await findCredential(store, kept)) as OpenCredential;
  return { ...open, replayed: kept !== _id };
}

async function withQuotas(
  store: Store,
  credentials: Omit<CredentialDocument, 'sealed'>[],
): Promise<OpenCredential[]> {
  const ids = [...new Set(credentials.map(({ provider, project }) => quotaId(provider, project)))];
  if (ids.length === 0) return [];
  const quotas = await runQuery<QuotaDocument>(store, CREDENTIAL_QUERIES.quotas(ids));
  const byId = new Map(quotas.map((quota) => [quota._id, quota]));
  return credentials.flatMap((credential) => {
    const quota = byId.get(quotaId(credential.provider, credential.project));
    return quota === undefined ? [] : [{ credential, quota }];
  });
}

export async function findCredential(store: Store, id: string): Promise<OpenCredential | undefined> {
  const found = await runQuery<CredentialDocument>(store, CREDENTIAL_QUERIES.credential(id));
  return (await withQuotas(store, found))[0];
}

/** By provider, each in the order in which they are used. @throws InvalidCursor */
export async function listCredentials(
  store: Store,
  filter: CredentialFilter,
  request: PageRequest,
): Promise<PageOf<OpenCredential>> {
  const { rows, next } = await page<CredentialDocument, CredentialPlace>(store, request, {
    name: 'credentials',
    parts: ['text', 'number', 'text'],
    keyOf: ({ provider, order, _id }) => [provider, order, _id],
    query: (limit, past) => CREDENTIAL_QUERIES.credentials(filter, limit, past),
  });
  return { rows: await withQuotas(store, rows), next };
}

/** Those that may serve a provider, in order. */
export async function activeCredentials(store: Store, provider: string): Promise<OpenCredential[]> {
  return withQuotas(store, await runQuery(store, CREDENTIAL_QUERIES.activeCredentials(provider)));
}

const given = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/**
 * Changes a credential, and the bounds of its project's quota. Enabling it, or giving it another secret, ends a rest
 * and forgets why it was disabled. A quota that was enlarged is not exhausted any more.
 * @returns undefined when there is none
 * @throws CredentialExists
 */
export async function updateCredential(
  store: Store,
  id: string,
  change: CredentialChange,
  now = new Date(),
): Promise<OpenCredential | undefined> {
  const before = await findCredential(store, id);
  if (before === undefined) return undefined;
  const { name, state, order, seal, account, unitsPerDay, callsPerHour, costs } = change;
  const fresh = seal !== undefined || state === 'active';
  const set = given({
    name,
    account,
    order,
    state: state ?? (seal === undefined ? undefined : 'active'),
    ...(fresh ? { reason: null, restUntil: null, rests: 0 } : {}),
    ...(state === 'disabled' ? { reason: 'Disabled by hand' } : {}),
    ...(seal === undefined ? {} : { sealed: seal(id), secretAt: now }),
  });
  try {
    if (Object.keys(set).length > 0)
      await store.credentials.collection.updateOne({ _id: id } as never, { $set: set });
  } catch (error) {
    if (isDuplicateKey(error)) throw new CredentialExists('name');
    throw error;
  }
  const more =
    unitsPerDay !== undefined && (unitsPerDay ?? Infinity) > (before.quota.unitsPerDay ?? Infinity);
  const bounds = given({
    unitsPerDay,
    callsPerHour,
    costs,
    ...(more ? { exhaustedUntil: null } : {}),
    ...(callsPerHour != null && before.quota.callsPerHour === null
      ? { tokens: callsPerHour, tokensAt: now }
      : {}),
  });
  if (Object.keys(bounds).length > 0)
    await store.quotas.collection.updateOne({ _id: before.quota._id } as never, { $set: bounds });
  return findCredential(store, id);
}

/** Whether there was one. What its project used stays counted. */
export async function removeCredential(store: Store, id: string): Promise<boolean> {
  await store.connected();
  return (await store.credentials.collection.deleteOne({ _id: id } as never)).deletedCount === 1;
}
