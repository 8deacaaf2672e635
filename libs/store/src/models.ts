import {
  Schema,
  type Connection,
  type Model,
  type IndexDefinition,
  type IndexOptions,
  type SchemaOptions,
} from 'mongoose';
import type {
  CompanyDocument,
  CredentialDocument,
  DeadLetterDocument,
  DispatchDocument,
  GapDocument,
  HostDocument,
  IdempotencyDocument,
  ItemDocument,
  JobDocument,
  LinkDocument,
  LockDocument,
  OrphanDocument,
  PendingSamplesDocument,
  QuotaDocument,
  RollupDocument,
  RunDocument,
  SampleDocument,
  SourceDocument,
  StandingJobDocument,
  StepDocument,
  TargetDocument,
  TargetLoadDocument,
} from './documents.ts';

/**
 * Documents are validated where they enter (message and HTTP schemas), so the models are loose
 * and hot paths write through the driver; collections and indexes are declared here alone.
 */
const collection = <T>(
  connection: Connection,
  name: string,
  indexes: [IndexDefinition, IndexOptions?][] = [],
  options: SchemaOptions = {},
): Model<T> => {
  const schema = new Schema<T>(
    { _id: String } as never,
    {
      strict: false,
      versionKey: false,
      minimize: false,
      autoIndex: false,
      collection: name,
      ...options,
    } as never,
  );
  for (const [fields, options] of indexes) schema.index(fields, options ?? {});
  return connection.model<T>(name, schema as never) as unknown as Model<T>;
};

export interface Models {
  jobs: Model<JobDocument>;
  steps: Model<StepDocument>;
  links: Model<LinkDocument>;
  items: Model<ItemDocument>;
  hosts: Model<HostDocument>;
  locks: Model<LockDocument>;
  dispatches: Model<DispatchDocument>;
  sources: Model<SourceDocument>;
  deadLetters: Model<DeadLetterDocument>;
  idempotency: Model<IdempotencyDocument>;
  orphans: Model<OrphanDocument>;
  runs: Model<RunDocument>;
  targets: Model<TargetDocument>;
  targetLoads: Model<TargetLoadDocument>;
  samples: Model<SampleDocument>;
  pendingSamples: Model<PendingSamplesDocument>;
  gaps: Model<GapDocument>;
  rollups: Model<RollupDocument>;
  credentials: Model<CredentialDocument>;
  quotas: Model<QuotaDocument>;
  companies: Model<CompanyDocument>;
  standingJobs: Model<StandingJobDocument>;
}

export const defineModels = (connection: Connection): Models => ({
  jobs: collection<JobDocument>(connection, 'jobs', [
    [{ state: 1, rank: 1 }],
    [{ source: 1, _id: -1 }],
    [{ source: 1, state: 1, _id: -1 }],
    [{ state: 1, _id: -1 }],
    [{ state: 1, 'waiting.reason': 1, 'waiting.until': 1 }],
    [{ retrying: 1 }, { partialFilterExpression: { retrying: true } }],
    [
      { 'transfer.kind': 1, state: 1, _id: 1 },
      { name: 'transfers', partialFilterExpression: { 'transfer.kind': { $exists: true } } },
    ],
    // In the order in which they are worked on.
    [
      { state: 1, rank: 1, _id: 1 },
      { name: 'dueTransfers', partialFilterExpression: { 'transfer.kind': { $exists: true } } },
    ],
    [
      { 'transfer.expiresAt': 1 },
      { name: 'expiring', partialFilterExpression: { 'transfer.expiresAt': { $type: 'date' } } },
    ],
    [{ nextRunAt: 1 }, { partialFilterExpression: { nextRunAt: { $type: 'date' } } }],
    [{ importedBy: 1, _id: 1 }, { partialFilterExpression: { importedBy: { $exists: true } } }],
  ]),
  steps: collection<StepDocument>(connection, 'steps', [
    [{ jobs: 1, state: 1, host: 1, order: 1 }],
    [
      { state: 1, leaseUntil: 1, leasedFor: 1, host: 1, source: 1 },
      { name: 'leased', partialFilterExpression: { state: 'leased' } },
    ],
    [
      { state: 1, notBefore: 1 },
      { name: 'later', partialFilterExpression: { state: 'later' } },
    ],
  ]),
  links: collection<LinkDocument>(connection, 'links', [
    [{ jobId: 1, of: 1, state: 1, order: 1, _id: 1 }],
    // Targets come in no order: an index of all lines by them would cost as much as the items themselves.
    [{ target: 1 }, { name: 'heirs', partialFilterExpression: { brought: false } }],
    [{ target: 1 }, { name: 'failures', partialFilterExpression: { state: 'failed' } }],
  ]),
  items: collection<ItemDocument>(connection, 'items', [
    [{ kind: 1, order: -1, _id: -1 }],
    [{ source: 1, order: -1, _id: -1 }],
    [{ host: 1, order: -1, _id: -1 }],
    [{ order: -1, _id: -1 }],
    [{ kind: 1, terms: 1 }, { partialFilterExpression: { terms: { $exists: true } } }],
    [
      { kind: 1, 'data.publishedAt': -1, _id: -1 },
      { name: 'videos', partialFilterExpression: { kind: 'video' } },
    ],
    [
      { kind: 1, 'data.channelId': 1, 'data.publishedAt': -1, _id: -1 },
      { name: 'videosOfChannel', partialFilterExpression: { kind: 'video' } },
    ],
    [{ 'file.sha256': 1 }, { sparse: true }],
    [
      { 'data.title': 'text', 'data.text': 'text', 'data.alt': 'text' },
      {
        name: 'text',
        default_language: 'none',
        language_override: 'textIndexLanguage',
        weights: { 'data.title': 8, 'data.alt': 4, 'data.text': 1 },
      },
    ],
  ]),
  hosts: collection<HostDocument>(connection, 'hosts', [
    [{ backoffUntil: 1 }],
    [{ backoffs: 1 }],
    [{ delayMs: 1 }],
  ]),
  locks: collection<LockDocument>(connection, 'locks'),
  dispatches: collection<DispatchDocument>(connection, 'dispatches', [[{ at: 1 }]]),
  sources: collection<SourceDocument>(connection, 'sources'),
  deadLetters: collection<DeadLetterDocument>(connection, 'deadLetters', [[{ at: -1, _id: -1 }]]),
  idempotency: collection<IdempotencyDocument>(connection, 'idempotency', [
    [{ at: 1 }, { expireAfterSeconds: 86_400 }],
  ]),
  orphans: collection<OrphanDocument>(connection, 'orphans'),
  runs: collection<RunDocument>(connection, 'runs'),
  targets: collection<TargetDocument>(connection, 'targets', [
    // Holds all that opening a round reads.
    [{ jobId: 1, phase: 1, key: 1, nextAt: 1 }],
    [{ jobId: 1, state: 1, key: 1 }],
    [{ source: 1, key: 1 }],
  ]),
  targetLoads: collection<TargetLoadDocument>(connection, 'targetLoads', [[{ at: 1 }]]),
  // Without the time: with it, each sample would move its bucket's place in the index, at many times its own size.
  samples: collection<SampleDocument>(connection, 'samples', [[{ 'of.source': 1, 'of.target': 1 }]], {
    timeseries: { timeField: 'at', metaField: 'of', granularity: 'minutes' },
  }),
  pendingSamples: collection<PendingSamplesDocument>(connection, 'pendingSamples', [[{ at: 1 }]]),
  gaps: collection<GapDocument>(connection, 'gaps', [[{ jobId: 1, from: -1, _id: -1 }], [{ to: 1 }]]),
  rollups: collection<RollupDocument>(connection, 'rollups'),
  credentials: collection<CredentialDocument>(connection, 'credentials', [
    [{ provider: 1, order: 1, _id: 1 }],
    [{ provider: 1, name: 1 }, { unique: true }],
  ]),
  quotas: collection<QuotaDocument>(connection, 'quotas', [[{ provider: 1 }]]),
  companies: collection<CompanyDocument>(connection, 'companies', [[{ pages: 1 }]]),
  standingJobs: collection<StandingJobDocument>(connection, 'standingJobs'),
});
