/** What providers answered, brought to the quotas and credentials that served. */
import { redactText, restMs, restUntil } from '@magpie/domain';
import type { Logger } from '@magpie/service-kit';
import type { CredentialDocument, QuotaDocument, StepCharge, Store } from '@magpie/store';
import type { CallReport } from '../intake/context.ts';
import { costOf, exhausting, givingBack } from './quotas.ts';

/**
 * Gives back what was not spent and takes the provider's word. Called once a result, after its commit: a death in
 * between keeps what it took, so the count errs on the side of less.
 * @returns whether some key may serve less than it could
 */
export async function settleCalls(
  store: Store,
  log: Pick<Logger, 'warn'>,
  reports: readonly CallReport[],
  now: number,
): Promise<boolean> {
  await settleQuotas(store, reports, now);
  return settleKeys(store, log, reports, now);
}

async function zonesOf(store: Store, ids: readonly string[]): Promise<Map<string, string>> {
  const found = (await store.quotas.collection
    .find({ _id: { $in: [...new Set(ids)] } } as never, { projection: { resetTimeZone: 1 } })
    .toArray()) as unknown as Pick<QuotaDocument, '_id' | 'resetTimeZone'>[];
  return new Map(found.map(({ _id, resetTimeZone }) => [_id, resetTimeZone]));
}

async function settleQuotas(store: Store, reports: readonly CallReport[], now: number): Promise<void> {
  const unspent = new Map<string, { quota: string; day: string; units: number; calls: number }>();
  const exhausted = new Map<string, { quota: string; day: string; until: number | undefined }>();
  for (const { charge, spent, verdict } of reports) {
    const { quota, day } = charge;
    const id = `${quota} ${day}`;
    const took = costOf(charge);
    const cost = spent === undefined ? took : costOf(charge, spent);
    const rest = { units: took.units - cost.units, calls: took.calls - cost.calls };
    const sum = unspent.get(id) ?? { quota, day, units: 0, calls: 0 };
    unspent.set(id, { ...sum, units: sum.units + rest.units, calls: sum.calls + rest.calls });
    if (verdict?.state === 'exhausted') exhausted.set(id, { quota, day, until: verdict.until });
  }
  const changed = [...unspent.values()].filter(({ units, calls }) => units !== 0 || calls !== 0);
  if (changed.length === 0 && exhausted.size === 0) return;
  const zones = await zonesOf(
    store,
    [...changed, ...exhausted.values()].map(({ quota }) => quota),
  );
  const zone = (quota: string): string => zones.get(quota) ?? 'UTC';
  const update = (quota: string, pipeline: object[]) => ({
    updateOne: { filter: { _id: quota }, update: pipeline },
  });
  await store.quotas.collection.bulkWrite([
    ...changed.map((one) => update(one.quota, givingBack(one, zone(one.quota), now))),
    ...[...exhausted.values()].map(({ quota, day, until }) =>
      update(quota, exhausting(day, until, zone(quota), now)),
    ),
  ] as never);
}

async function settleKeys(
  store: Store,
  log: Pick<Logger, 'warn'>,
  reports: readonly CallReport[],
  now: number,
): Promise<boolean> {
  const credentials = store.credentials.collection;
  let less = false;
  const at = new Date(now);
  const used = new Set(reports.filter(wasUsed).map(({ charge }) => charge.credential));
  const resting = new Set<string>();
  for (const { charge, usage, verdict } of reports) {
    const id = { _id: charge.credential } as never;
    if (verdict !== undefined) less = true;
    if (verdict?.state === 'exhausted') await credentials.updateOne(id, { $set: { lastExhaustedAt: at } });
    if (verdict?.state === 'resting' && !resting.has(charge.credential)) {
      resting.add(charge.credential);
      await rest(store, charge, verdict.until, now);
    }
    if (verdict?.state === 'refused') await disable(store, log, charge, verdict.message);
    const pause = usage === undefined ? null : restUntil(usage.percent, usage.until, now);
    if (pause === null) continue;
    less = true;
    await credentials.updateOne(id, { $max: { restUntil: new Date(pause) } });
  }
  if (used.size > 0)
    await credentials.updateMany({ _id: { $in: [...used] } } as never, { $max: { lastUsedAt: at } } as never);
  const well = [...used].filter((id) => !resting.has(id));
  if (well.length > 0)
    await credentials.updateMany({ _id: { $in: well }, rests: { $gt: 0 } } as never, {
      $unset: { rests: 1 },
    });
  return less;
}

const wasUsed = ({ spent, verdict }: CallReport): boolean =>
  verdict !== undefined || spent === undefined || Object.values(spent).some((count) => count > 0);

/** All that it was asked at the same time says the same: one pause, not one each. */
async function rest(store: Store, charge: StepCharge, until: number | undefined, now: number): Promise<void> {
  const key = (await store.credentials.collection.findOne({ _id: charge.credential } as never, {
    projection: { rests: 1, restUntil: 1 },
  })) as unknown as Pick<CredentialDocument, 'rests' | 'restUntil'> | null;
  if (key === null) return;
  const already = (key.restUntil?.getTime() ?? 0) > now;
  // A time that has passed is none: the clock of who reckoned it is behind.
  const given = until !== undefined && until > now ? until : undefined;
  const end = given ?? (already ? 0 : now + restMs(key.rests ?? 0));
  await store.credentials.collection.updateOne(
    { _id: charge.credential } as never,
    {
      $max: { restUntil: new Date(end) },
      ...(already || given !== undefined ? {} : { $inc: { rests: 1 } }),
    } as never,
  );
}

/** Disables a credential that the provider does not take, unless it has been given another secret since. */
async function disable(
  store: Store,
  log: Pick<Logger, 'warn'>,
  { credential, at }: StepCharge,
  message: string,
): Promise<void> {
  const reason = redactText(message).slice(0, 500);
  const changed = (await store.credentials.collection.findOneAndUpdate(
    {
      _id: credential,
      state: 'active',
      ...(at === undefined ? {} : { $or: [{ secretAt: null }, { secretAt: { $lte: at } }] }),
    } as never,
    { $set: { state: 'disabled', reason } },
    { projection: { provider: 1, name: 1 } },
  )) as unknown as Pick<CredentialDocument, 'provider' | 'name'> | null;
  if (changed !== null)
    log.warn(
      { credentialId: credential, provider: changed.provider, credentialName: changed.name, reason },
      'the provider does not take a credential: disabled',
    );
}
