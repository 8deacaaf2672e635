import { Type, type Static } from 'typebox';
import { FilePath, Id, SourceId } from './format.ts';
import { WaitReason } from './job.ts';
import { Sample, TargetReport } from './sample.ts';

const Millis = (description: string) =>
  Type.Integer({ minimum: 0, description: `${description}; ms since the epoch` });
const Url = Type.String({ maxLength: 8192 });

/** The least that an item must have for a job to list it; smaller ones are kept but linked as skipped. */
export const Accept = Type.Object({
  minWidth: Type.Optional(Type.Integer({ minimum: 0 })),
  minHeight: Type.Optional(Type.Integer({ minimum: 0 })),
  minBytes: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type Accept = Static<typeof Accept>;

export const RECHECKS = ['never', 'ifChanged', 'always'] as const;
export const Recheck = Type.Enum(RECHECKS, {
  default: 'never',
  description:
    'What to do with an item that is stored already: never fetch it again; fetch it if it changed (conditional GET); fetch it',
});
export type Recheck = (typeof RECHECKS)[number];

/**
 * A step that a source wants done next.
 * With `item` it is the fetch of that item: shared by all jobs, at most one at a time, none if it is stored.
 * With `fetches` it is the job's own fetch of several items at once; those that the job has or that are stored are
 * taken out of it first, and without any left it is not done.
 * Without either, it is the job's own (a page to read for links, say), done once a job by its `key`; in a job with a
 * schedule the key must say which run it belongs to.
 */
export const NextStep = Type.Object({
  kind: Type.String({ maxLength: 40, description: 'The source’s name for this sort of step: page, image …' }),
  key: Type.String({
    maxLength: 8400,
    description: 'What makes it the same step: the canonical URL, usually',
  }),
  url: Type.Optional(Type.String({ maxLength: 8192, description: 'What it fetches; its host is paced' })),
  input: Type.Record(Type.String(), Type.Unknown(), { description: 'What the source needs to do it' }),
  item: Type.Optional(
    Type.Object({
      kind: Type.String({ maxLength: 40 }),
      url: Type.String({ maxLength: 8192, description: 'Canonical source URL' }),
      accept: Type.Optional(Accept),
      recheck: Type.Optional(Recheck),
      expand: Type.Optional(
        Type.Record(Type.String(), Type.Unknown(), {
          description:
            'When the item is there, the job gets a step `expand` with this and the item’s outlinks',
        }),
      ),
    }),
  ),
  fetches: Type.Optional(
    Type.Object(
      {
        kind: Type.String({ maxLength: 40 }),
        urls: Type.Array(Type.String({ maxLength: 8192 }), { minItems: 1, maxItems: 100 }),
      },
      { description: 'Items that it fetches together; those still wanted are in its input as `urls`' },
    ),
  ),
  onlyIfNew: Type.Optional(
    Type.Boolean({ description: 'Not done unless this result brought something that the job did not have' }),
  ),
  urgent: Type.Optional(
    Type.Boolean({ description: 'What it fetches will be gone soon: done before the others' }),
  ),
  distinct: Type.Optional(
    Type.String({
      maxLength: 200,
      description: 'What it asks for, where the provider bounds how many different ones a credential may',
    }),
  ),
});
export type NextStep = Static<typeof NextStep>;

export const StoredFile = Type.Object({
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  path: FilePath,
  type: Type.String({ description: 'Media type, sniffed from the bytes' }),
  bytes: Type.Integer({ minimum: 0 }),
  width: Type.Optional(Type.Integer({ minimum: 0 })),
  height: Type.Optional(Type.Integer({ minimum: 0 })),
  fresh: Type.Boolean({ description: 'False when equal bytes were kept already' }),
});
export type StoredFile = Static<typeof StoredFile>;

/** One collected thing. */
export const FoundItem = Type.Object({
  kind: Type.String({ maxLength: 40 }),
  url: Type.String({
    maxLength: 8192,
    description: 'Canonical source URL: with the kind, what makes it this item',
  }),
  finalUrl: Type.Optional(Url),
  page: Type.Optional(Url),
  data: Type.Record(Type.String(), Type.Unknown(), { description: 'What the source emits for this kind' }),
  file: Type.Optional(StoredFile),
  etag: Type.Optional(Type.String({ maxLength: 1024 })),
  lastModified: Type.Optional(Type.String({ maxLength: 128 })),
  outlinks: Type.Optional(Type.Array(Url, { maxItems: 5000 })),
  /** With a step that is not the item's own fetch: the terms on which the job takes it. */
  accept: Type.Optional(Accept),
});
export type FoundItem = Static<typeof FoundItem>;

/** What a step may spend its calls with; the secret is sealed, and opened by the collector alone. */
export const SealedCredential = Type.Object({
  id: Id,
  account: Type.Optional(Type.String({ description: 'The provider’s name for whose key it is' })),
  sealed: Type.String({ maxLength: 8192, description: 'AES-256-GCM, bound to the credential’s id' }),
});
export type SealedCredential = Static<typeof SealedCredential>;

/** One step as it goes to a collector. */
export const StepWork = Type.Object({
  id: Type.String({ maxLength: 64 }),
  lease: Type.String({ description: 'Which dispatch this is' }),
  jobId: Id,
  epoch: Type.Integer(),
  kind: Type.String(),
  url: Type.Optional(Url),
  attempt: Type.Integer({ minimum: 1 }),
  input: Type.Record(Type.String(), Type.Unknown()),
  etag: Type.Optional(Type.String()),
  lastModified: Type.Optional(Type.String()),
  credential: Type.Optional(SealedCredential),
});
export type StepWork = Static<typeof StepWork>;

/** A small batch of steps of one source. */
export const StepsMessage = Type.Object({
  source: SourceId,
  startBefore: Millis('Not to be begun after this'),
  deadline: Millis('To be ended by this, whatever happens'),
  steps: Type.Array(StepWork, { minItems: 1, maxItems: 100 }),
});
export type StepsMessage = Static<typeof StepsMessage>;

const Why = {
  code: Type.String({ maxLength: 64 }),
  message: Type.String({ maxLength: 2000 }),
  status: Type.Optional(Type.Integer()),
  url: Type.Optional(Url),
};
const Of = {
  id: Type.String({ maxLength: 64 }),
  lease: Type.String(),
  spent: Type.Optional(
    Type.Record(Type.String(), Type.Integer({ minimum: 0 }), {
      description: 'Calls that reached the provider, by operation',
    }),
  ),
  usage: Type.Optional(
    Type.Object(
      {
        percent: Type.Number({
          minimum: 0,
          description: 'Of what the provider allows, the most of its measures',
        }),
        until: Type.Optional(Millis('When the provider said that there is room again')),
      },
      { description: 'The provider’s word on how much of its limits the credential has used' },
    ),
  ),
};

/** What became of one step. */
export const Outcome = Type.Union([
  Type.Object(
    {
      ...Of,
      outcome: Type.Literal('done'),
      items: Type.Array(FoundItem, { maxItems: 5000 }),
      next: Type.Array(NextStep, { maxItems: 10_000 }),
      unchanged: Type.Optional(Type.Boolean({ description: 'A conditional GET said: not modified' })),
      samples: Type.Optional(Type.Array(Sample, { maxItems: 1000 })),
      targets: Type.Optional(Type.Array(TargetReport, { maxItems: 1000 })),
      coverage: Type.Optional(
        Type.Object(
          { from: Millis('The oldest that was seen'), to: Millis('The newest that was seen') },
          { description: 'The period that was really seen' },
        ),
      ),
    },
    { description: 'Done' },
  ),
  Type.Object(
    { ...Of, outcome: Type.Literal('failed'), ...Why },
    { description: 'Will not work, however often' },
  ),
  Type.Object({ ...Of, outcome: Type.Literal('skipped'), ...Why }, { description: 'Not to be done' }),
  Type.Object(
    { ...Of, outcome: Type.Literal('retry'), ...Why },
    { description: 'May work later: uses up an attempt' },
  ),
  Type.Object(
    {
      ...Of,
      outcome: Type.Literal('backoff'),
      ...Why,
      host: Type.String(),
      until: Type.Optional(Millis('When the host may be asked again')),
    },
    { description: 'The host wants a pause: uses up no attempt' },
  ),
  Type.Object(
    {
      ...Of,
      outcome: Type.Literal('wait'),
      ...Why,
      reason: WaitReason,
      until: Millis('When the job looks again'),
    },
    { description: 'The job cannot go on now: uses up no attempt' },
  ),
  Type.Object(
    {
      ...Of,
      outcome: Type.Literal('credential'),
      ...Why,
      state: Type.Enum(['exhausted', 'resting', 'refused'], {
        description: 'Its quota is gone; it has to pause; the provider does not take it',
      }),
      until: Type.Optional(Millis('When it may be used again, if the provider said so')),
    },
    { description: 'Not with this credential: tried with another, or later; uses up no attempt' },
  ),
  Type.Object(
    { ...Of, outcome: Type.Literal('released'), reason: Type.String() },
    { description: 'Not begun, or given back: as if it had not been dispatched' },
  ),
  Type.Object(
    { ...Of, outcome: Type.Literal('interrupted') },
    { description: 'The collector that had it died' },
  ),
]);
export type Outcome = Static<typeof Outcome>;
export type OutcomeOf<K extends Outcome['outcome']> = Extract<Outcome, { outcome: K }>;

/** What a collector learned about a host's wishes. */
export const HostReport = Type.Object({
  host: Type.String(),
  delayMs: Type.Integer({ minimum: 0, description: 'Crawl-delay of its robots.txt, clamped' }),
});
export type HostReport = Static<typeof HostReport>;

export const ResultsMessage = Type.Object({
  source: SourceId,
  outcomes: Type.Array(Outcome, { maxItems: 500 }),
  hosts: Type.Optional(Type.Array(HostReport, { maxItems: 500 })),
});
export type ResultsMessage = Static<typeof ResultsMessage>;
