/**
 * Taking from a quota and giving back: each one atomic update that also begins the new day and fills the bucket, so any
 * number of replicas together never take more than there is.
 */
import { carries, dayBegins, dayEnds, dayIn, HOUR_MS, type Need, type QuotaState } from '@magpie/domain';
import type { QuotaDocument, StepCharge, Store } from '@magpie/store';

export const stateOf = (quota: QuotaDocument): QuotaState => ({
  ...quota,
  exhaustedUntil: quota.exhaustedUntil?.getTime() ?? null,
  tokensAt: quota.tokensAt.getTime(),
});

/** Brings day and bucket up to now. A clock that lags takes neither back. */
const upToNow = (timeZone: string, now: number): object => {
  const today = dayIn(now, timeZone);
  const passed = { $max: [0, { $subtract: [new Date(now), '$tokensAt'] }] };
  return {
    $set: {
      used: { $cond: [{ $lt: ['$day', today] }, 0, '$used'] },
      day: { $max: ['$day', today] },
      tokens: bucket({
        $add: ['$tokens', { $divide: [{ $multiply: [passed, '$callsPerHour'] }, HOUR_MS] }],
      }),
      tokensAt: { $max: ['$tokensAt', new Date(now)] },
    },
  };
};

/** So many tokens, but no more than the bucket holds; 0 where calls are not bounded. */
const bucket = (tokens: object): object => ({
  $cond: [{ $eq: ['$callsPerHour', null] }, 0, { $min: ['$callsPerHour', tokens] }],
});

/** `carries` of the domain, as the database computes it. */
function carried({ units, calls }: Need, wanted: number): object {
  const byUnits =
    units === 0
      ? wanted
      : {
          $cond: [
            { $eq: ['$unitsPerDay', null] },
            wanted,
            { $floor: { $divide: [{ $subtract: ['$unitsPerDay', '$used'] }, units] } },
          ],
        };
  const byTokens =
    calls === 0
      ? wanted
      : {
          $cond: [
            { $eq: ['$callsPerHour', null] },
            wanted,
            {
              $cond: [
                { $lt: ['$tokens', { $min: [calls, '$callsPerHour'] }] },
                0,
                { $max: [1, { $floor: { $divide: ['$tokens', calls] } }] },
              ],
            },
          ],
        };
  return { $max: [0, { $min: [wanted, byUnits, byTokens] }] };
}

/**
 * Takes for as many steps of one need as the quota carries, at most `wanted`.
 * @returns for how many, and the quota as it then is; undefined when it carries none
 */
export async function take(
  store: Store,
  quota: QuotaDocument,
  need: Need,
  wanted: number,
  now: number,
): Promise<{ count: number; quota: QuotaDocument } | undefined> {
  if (carries(stateOf(quota), need, wanted, now) === 0) return undefined;
  const after = (await store.quotas.collection.findOneAndUpdate(
    {
      _id: quota._id,
      $or: [{ exhaustedUntil: null }, { exhaustedUntil: { $lte: new Date(now) } }],
    } as never,
    [
      upToNow(quota.resetTimeZone, now),
      { $set: { taken: carried(need, wanted) } },
      {
        $set: {
          used: { $add: ['$used', { $multiply: ['$taken', need.units] }] },
          tokens: {
            $cond: [
              { $eq: ['$callsPerHour', null] },
              0,
              { $subtract: ['$tokens', { $multiply: ['$taken', need.calls] }] },
            ],
          },
        },
      },
    ] as never,
    { returnDocument: 'after' },
  )) as unknown as QuotaDocument | null;
  const count = after?.taken ?? 0;
  return after === null || count === 0 ? undefined : { count, quota: after };
}

/** What a charge took, or the part of it that calls by operation are. */
export function costOf(charge: Pick<StepCharge, 'calls' | 'costs'>, calls = charge.calls): Need {
  const each = Object.entries(calls);
  return {
    units: each.reduce((sum, [operation, count]) => sum + count * (charge.costs[operation] ?? 0), 0),
    calls: each.reduce((sum, [, count]) => sum + count, 0),
  };
}

/** An update of a quota that gives back what was taken on a day; units of another day are gone. */
export const givingBack = (
  { day, units, calls }: Need & { day: string },
  timeZone: string,
  now: number,
): object[] => [
  upToNow(timeZone, now),
  {
    $set: {
      used: {
        $cond: [{ $eq: ['$day', day] }, { $max: [0, { $subtract: ['$used', units] }] }, '$used'],
      },
      tokens: bucket({ $add: ['$tokens', calls] }),
    },
  },
];

/** So long after midnight a provider may still count the day before: its clock is behind ours, or it resets late. */
const LATE_RESET_MS = 15 * 60_000;
/** When it is asked again then. */
const ASKED_AGAIN_MS = 2 * 60_000;

/**
 * An update of a quota that the provider says is used up: until then, or until the day ends of which the charge was; at
 * the beginning of that day for minutes, since it may speak of the day before.
 * Its word beats ours: so is the count, unless it comes back earlier than by a new day.
 */
export function exhausting(day: string, until: number | undefined, timeZone: string, now: number): object[] {
  const ends = dayEnds(day, timeZone);
  const late = now < dayBegins(day, timeZone) + LATE_RESET_MS;
  const from = new Date(until ?? (late ? now + ASKED_AGAIN_MS : ends));
  const forToday = { $and: [{ $eq: ['$day', day] }, { $gte: [from, new Date(ends)] }] };
  return [
    upToNow(timeZone, now),
    {
      $set: {
        exhaustedUntil: { $max: ['$exhaustedUntil', from] },
        lastExhaustedAt: new Date(now),
        used: { $cond: [forToday, { $max: ['$used', '$unitsPerDay'] }, '$used'] },
      },
    },
  ];
}

/** Returns charges of steps that certainly did not go out. */
export async function returnCharges(
  store: Store,
  charges: readonly StepCharge[],
  now: number,
): Promise<void> {
  for (const [first, ...rest] of sameCharges(charges)) {
    if (first === undefined) continue;
    const { units, calls } = costOf(first);
    const times = rest.length + 1;
    const quota = (await store.quotas.collection.findOne({ _id: first.quota } as never, {
      projection: { resetTimeZone: 1 },
    })) as unknown as Pick<QuotaDocument, 'resetTimeZone'> | null;
    await store.quotas.collection.updateOne(
      { _id: first.quota } as never,
      givingBack(
        { day: first.day, units: units * times, calls: calls * times },
        quota?.resetTimeZone ?? 'UTC',
        now,
      ) as never,
    );
  }
}

function sameCharges(charges: readonly StepCharge[]): StepCharge[][] {
  const out = new Map<string, StepCharge[]>();
  for (const charge of charges) {
    const key = JSON.stringify([charge.quota, charge.day, charge.calls, charge.costs]);
    out.set(key, [...(out.get(key) ?? []), charge]);
  }
  return [...out.values()];
}
