/** Reads of credentials and their quotas. A list never reads what is sealed. */
import type { FindQuery } from './queries.ts';

const OPEN = { sealed: 0 } as const;

export interface CredentialFilter {
  provider?: string | undefined;
  state?: 'active' | 'disabled' | undefined;
}

/** Where a credential is in the list: by provider, then in the order of use. */
export type CredentialPlace = readonly [provider: string, order: number, id: string];

const past = (place: CredentialPlace | undefined): Record<string, unknown>[] => {
  if (place === undefined) return [];
  const [provider, order, id] = place;
  return [
    { provider: { $gte: provider } },
    {
      $or: [{ provider: { $gt: provider } }, { order: { $gt: order } }, { order, _id: { $gt: id } }],
    },
  ];
};

export const CREDENTIAL_QUERIES = {
  credential: (id: string): FindQuery => ({
    from: 'credentials',
    filter: { _id: id },
    limit: 1,
    projection: OPEN,
  }),

  /** By provider, each in the order in which they are used. */
  credentials: ({ provider, state }: CredentialFilter, limit: number, place?: CredentialPlace): FindQuery => {
    const and = [
      ...(provider === undefined ? [] : [{ provider }]),
      ...(state === undefined ? [] : [{ state }]),
      ...past(place),
    ];
    return {
      from: 'credentials',
      filter: and.length === 0 ? {} : { $and: and },
      sort: { provider: 1, order: 1, _id: 1 },
      limit,
      projection: OPEN,
    };
  },

  /** All that may serve a provider, for plans. */
  activeCredentials: (provider: string): FindQuery => ({
    from: 'credentials',
    filter: { provider, state: 'active' },
    sort: { provider: 1, order: 1, _id: 1 },
    limit: 1000,
    projection: OPEN,
  }),

  credentialOfAccount: (provider: string, account: string): FindQuery => ({
    from: 'credentials',
    filter: { provider, account },
    limit: 1,
    projection: { _id: 1, name: 1 },
  }),

  quotas: (ids: readonly string[]): FindQuery => ({ from: 'quotas', filter: { _id: { $in: ids } } }),
} as const satisfies Record<string, (...args: never[]) => FindQuery>;
