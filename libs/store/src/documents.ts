/**
 * What MongoDB holds.
 *
 * job    what somebody asked for; `rev` grows with every change and serialises writers of one job.
 * step   one unit of the frontier. `_id` is the item's id when the step is an item's fetch (so all jobs share it),
 *        or of `{job, kind, key}` when it is the job's own. `jobs` are those that wait for it.
 * link   a job's ledger: one line for every item and page that it found, with what became of it. `_id` is
 *        `<job>:<target>`; of what an import brought `<job>:<row>`, and the item says by whom and which.
 * item   one collected thing; `_id` is of `{kind, url}`: that is the unique index by source URL.
 *        `refs` counts the links to it.
 * run    one firing of a job with a schedule. At most one of a job is open; its counts are what the job's have grown by.
 * target what a job measures again and again; `phase` is its place in each interval.
 * sample one measurement, in a time-series collection. Those cannot be written in transactions, so a batch is first
 *        kept as a `pendingSamples` document, in the transaction that settles its step, and moved from there.
 * transfer  within its job: what an upload, an import or an export moves, how far it is, who works on it.
 * quota  what a provider's project has used of its allowance; credentials of one project share it.
 */
import type {
  Accept,
  JobState,
  JobTransition,
  Priority,
  RunState,
  SourceDescription,
  TargetState,
  TransferKind,
  WaitReason,
} from '@magpie/contracts';
import type { Summary } from '@magpie/domain';

export interface JobDocument {
  _id: string;
  source: string;
  params: Record<string, unknown>;
  priority: Priority;
  rank: number;
  state: JobState;
  epoch: number;
  rev: number;
  waiting: { reason: WaitReason; until: Date; detail?: string; needs?: KeyNeed[] } | null;
  counts: {
    discovered: number;
    stored: number;
    shared: number;
    skipped: number;
    failed: number;
    pending: number;
  };
  pages: { discovered: number; done: number; failed: number; pending: number };
  error: { code: string; message: string } | null;
  schedule: ScheduleDocument | null;
  /** The open run; null between runs, and in a job without a schedule. */
  run: OpenRun | null;
  /** Number of the last run, skipped ones counted. */
  runs: number;
  /** When the next run is due; null when there is none. */
  nextRunAt: Date | null;
  /** How many targets it has. */
  targets: number;
  tally: Tally;
  /** The period that was really seen. */
  coverage: { from: Date; to: Date } | null;
  stopWhenExhausted: boolean;
  warnings: { code: string; message: string }[];
  history: (Omit<JobTransition, 'at'> & { at: Date })[];
  /** Set by `retry`: what failed is to be put back into the frontier, up to this order of links. */
  retrying: boolean;
  /** Being removed; what a removal that was cut off has left is gone when it is asked for again. */
  removing?: true;
  /** Of a job that moves data in or out: such jobs are the transfer service's, not the director's. */
  transfer?: TransferDocument;
  /** The import that made it. */
  importedBy?: string;
  correlationId: string;
  createdAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  updatedAt: Date;
}

/** What a transfer moves, and how far it is. */
export interface TransferDocument {
  kind: TransferKind;
  /** As asked for, with what was detected. */
  options: Record<string, unknown>;
  bytes: number;
  totalBytes: number | null;
  rows: number;
  totalRows: number | null;
  rate: { bytes: number; rows: number };
  file: TransferFile | null;
  expiresAt: Date | null;
  /** What came of it, for people. */
  report: Record<string, unknown>;
  /** Where to go on; only who works on the transfer reads and writes it. */
  checkpoint: Record<string, unknown> | null;
  /** Who works on it. Whoever does so commits only as long as the lease is his. */
  lease: { holder: string; until: Date } | null;
  /** How often in a row it failed for no reason of its own, without getting further in between. */
  failures: number;
  /** How often in a row whoever worked on it was gone without giving it back. */
  deaths?: number;
  /** How far any try ever came since it was asked for or retried: only beyond that is further. */
  furthest?: { bytes: number; rows: number };
}

export interface TransferFile {
  name: string;
  type: string;
  bytes: number;
  sha256: string;
  /** Below the directory of the data. */
  path: string;
}

/** How the rows of an import become jobs of a source: settled when it is asked for. */
export interface ImportTargets {
  source: string;
  /** Targets of one job that measures them, a list that is a parameter, or a parameter of a job each. */
  how: 'measured' | 'listed' | 'one';
  /** The parameter that they stand for. */
  param: string;
  /** A job has no more of them. */
  most: number;
  /** The other parameters, valid. */
  params: Record<string, unknown>;
  schedule: ScheduleDocument | null;
  warnings: JobDocument['warnings'];
}

/** For what sort of step a job waits for a key: it goes on as soon as one may serve. */
export interface KeyNeed {
  kind: string;
  distinct?: string;
}

/** What a job has used and measured. */
export interface Tally {
  samples: number;
  requests: number;
  units: number;
}

export interface ScheduleDocument {
  /** ISO 8601 duration; exactly one of it and `cron` is set. */
  every: string | null;
  cron: string | null;
  timeZone: string;
  until: Date | null;
  jitterMs: number;
  /** The firings of `every` are counted from here, so they do not drift. */
  anchor: Date;
  /** The interval that was asked for, where the keys do not carry it. */
  asked: string | null;
}

export interface OpenRun {
  number: number;
  dueAt: Date;
  startedAt: Date;
  /** The job's numbers when it began; `failed` counts the ledger's failures of every sort. */
  before: Pick<JobDocument['counts'], 'discovered' | 'stored' | 'shared'> & { failed: number } & Tally;
  /** Of `before.failed`, steps and pages: with more of these the run has failed. */
  ownFailed: number;
}

export interface RunDocument {
  /** `<job>:<number, ten digits>` */
  _id: string;
  jobId: string;
  number: number;
  state: RunState;
  reason: string | null;
  dueAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  missed: number;
  counts: OpenRun['before'];
}

/** Taken from a quota for one dispatch of a step. */
export interface StepCharge {
  credential: string;
  /** The quota's id and the day that it was taken from. */
  quota: string;
  day: string;
  /** When it was taken. */
  at?: Date;
  /** Calls by operation, and what one of each costs. */
  calls: Record<string, number>;
  costs: Record<string, number>;
}

export type StepState = 'ready' | 'later' | 'leased' | 'parked' | 'failed';

export interface StepDocument {
  _id: string;
  source: string;
  kind: string;
  key: string;
  url?: string;
  /** Host and port of `url`, or '' for a step that fetches nothing. */
  host: string;
  input: Record<string, unknown>;
  /** Kind and canonical URL of the item it fetches; absent for a job's own step. */
  item?: { kind: string; url: string };
  /** Items that it fetches together, for its one job. */
  fetches?: { kind: string; urls: string[] };
  distinct?: string;
  urgent?: true;
  etag?: string;
  lastModified?: string;
  /** What was taken from a quota when it was dispatched; what it did not spend goes back. */
  charge?: StepCharge;
  jobs: string[];
  state: StepState;
  order: number;
  attempt: number;
  crashes: number;
  backoffs: number;
  /** How often its lease ran out though a collector was there. */
  expiries?: number;
  notBefore?: Date;
  lease?: string;
  leasedFor?: string;
  leaseUntil?: Date;
}

export type LinkState = 'pending' | 'stored' | 'shared' | 'skipped' | 'failed' | 'done';

export interface LinkDocument {
  /** `<job>:<step or item>`; of what an import brought `<job>:<row>` */
  _id: string;
  jobId: string;
  target: string;
  /** What is counted where: an item in `counts`, a page in `pages`, any other step nowhere. */
  of: 'item' | 'page' | 'step';
  kind: string;
  url: string;
  state: LinkState;
  /** Grows with discovery, and again when it is settled. */
  order: number;
  accept?: Accept;
  expand?: Record<string, unknown>;
  /**
   * True when this job made the item, or a terminated one that did left it to this job: terminating the job then
   * removes it, if no other job has it. False when the job has an item that was there already: it may inherit it.
   */
  brought?: boolean;
  /** `epoch` is the job's at the time: a retry takes up what failed in an earlier one. */
  error?: { code: string; message: string; attempt: number; status?: number; at: Date; epoch: number };
  /** With a failure: how to make the step again. */
  step?: Pick<StepDocument, 'kind' | 'key' | 'url' | 'input' | 'fetches' | 'distinct' | 'urgent'>;
  /** In a job with a schedule: the run in which it was last looked at. */
  run?: number;
  /** In how many runs after its own a failed step or page was taken up again. */
  resumed?: number;
}

export interface ItemDocument {
  _id: string;
  kind: string;
  url: string;
  host: string;
  finalUrl: string;
  page: string | null;
  source: string;
  data: Record<string, unknown>;
  file?: { sha256: string; path: string; type: string; bytes: number; width?: number; height?: number };
  etag?: string;
  lastModified?: string;
  outlinks?: string[];
  /** Words that it is found by; see the source's `searchable`. */
  terms?: string[];
  /** The import that brought it, or is about to, and by which row of its file, from 1. */
  importedBy?: string;
  importedRow?: number;
  refs: number;
  revision: number;
  order: number;
  storedAt: Date;
  checkedAt: Date;
}

/** A host's wishes and state: the dispatcher paces by it, for all replicas. */
export interface HostDocument {
  _id: string;
  delayMs: number;
  backoffUntil: Date | null;
  backoffs: number;
}

export interface LockDocument {
  _id: string;
  holder: string;
  until: Date;
}

/** A dispatch that is being published: found again, its steps are given back. */
export interface DispatchDocument {
  _id: string;
  state: 'claimed' | 'publishing';
  at: Date;
}

export interface SourceDocument extends Omit<SourceDescription, 'id'> {
  _id: string;
  lastSeenAt: Date;
}

export interface TargetDocument {
  /** `<job>:<key>` */
  _id: string;
  jobId: string;
  source: string;
  key: string;
  /** In [0, 1), by a hash of the key: where in each interval it is measured. */
  phase: number;
  state: TargetState;
  since: Date;
  name?: string;
  providerId?: string;
  movedTo?: string;
  message?: string;
  /** Looks in vain since it was active. */
  misses: number;
  /** Not looked at before; unset while it is active. */
  nextAt?: Date;
  /** The last sample, and the last that was not suspect. */
  last?: { at: Date; values: Record<string, number>; suspect: boolean };
  trusted?: { at: Date; values: Record<string, number> };
  /** From the round of the last sample to the next, ms. */
  intervalMs?: number;
  /** The hour that is being summed up: put into its roll-up by the first sample of a later one. */
  hour?: RollupHour & { from: Date };
  addedAt: Date;
}

/** The targets of a job that is being made: they are put in before it, and go if it does not come. */
export interface TargetLoadDocument {
  /** The job to be. */
  _id: string;
  at: Date;
}

/** The one job that measures, for the gateway, what companies name. */
export interface StandingJobDocument {
  /** What it is for; unique. */
  _id: string;
  jobId: string;
}

/** As it is in the time-series collection: time `at`, meta `of`. */
export interface SampleDocument {
  at: Date;
  of: { source: string; target: string };
  /** Start of the interval that it stands for: equal for all targets of a round. */
  round: Date;
  values: Record<string, number>;
  suspect?: true;
  /** What it says of the suspect one before it: `confirmed` when that was out of line, `cleared` when it was right. */
  verdict?: 'confirmed' | 'cleared';
}

/** Samples on their way into the time-series collection. */
export interface PendingSamplesDocument {
  _id: string;
  at: Date;
  samples: SampleDocument[];
}

/** A stretch in which a target was not measured though it was due. */
export interface GapDocument {
  _id: string;
  jobId: string;
  target: string;
  from: Date;
  to: Date;
  missed: number;
  reason: string;
}

/** Samples of an hour; suspect ones are counted apart, and their values left out. `to` is when the last was taken. */
export interface RollupHour extends Summary {
  to: Date;
}

/** A target's day (UTC), hour by hour. */
export interface RollupDocument {
  /** `<source>:<target>:<day>`, the day as 2026-05-01: ranges of it are read. */
  _id: string;
  source: string;
  target: string;
  day: Date;
  /** By the hour, 0 to 23. */
  hours: Record<string, RollupHour>;
  /** All of them together. */
  total: Summary;
}

export interface CredentialDocument {
  _id: string;
  provider: string;
  name: string;
  sealed: string;
  account?: string;
  project: string;
  state: 'active' | 'disabled';
  reason: string | null;
  /** Used in this order. */
  order: number;
  addedAt: Date;
  lastUsedAt: Date | null;
  lastExhaustedAt: Date | null;
  /** Not used before: the provider wants a pause. */
  restUntil: Date | null;
  /** How often in a row it was told to rest without for how long. */
  rests?: number;
  /** Since when it has its secret: a refusal of an earlier one says nothing of it. */
  secretAt?: Date;
  /** Different things asked for lately, where the provider bounds them. */
  distinct: { what: string; at: Date }[];
}

/** What a provider's project may use and has used. */
export interface QuotaDocument {
  /** `<provider>:<project>` */
  _id: string;
  provider: string;
  project: string;
  unitsPerDay: number | null;
  resetTimeZone: string;
  costs: Record<string, number>;
  callsPerHour: number | null;
  /** The day that `used` is of, in the quota's time zone. */
  day: string;
  used: number;
  /** The provider's word that it is used up. */
  exhaustedUntil: Date | null;
  lastExhaustedAt: Date | null;
  /** Token bucket. */
  tokens: number;
  tokensAt: Date;
  /** How many steps the last lease got; written and read in one update. */
  taken?: number;
}

/** Somebody whose pages are measured. */
export interface CompanyDocument {
  /** The name, lower case: unique. */
  _id: string;
  name: string;
  pages: string[];
  addedAt: Date;
}

export interface DeadLetterDocument {
  _id: string;
  reason: string;
  error?: string;
  exchange: string;
  routingKey: string;
  type?: string;
  headers: Record<string, unknown>;
  body: string;
  consumer?: string;
  at: Date;
}

/** What a client's key made: a job, a credential or a company, by the key's route. */
export interface IdempotencyDocument {
  _id: string;
  bodyHash: string;
  /** Its id. */
  made: string;
  at: Date;
}

/** A file that perhaps no item refers to any more. `rev` grows each time it is noted. */
export interface OrphanDocument {
  _id: string;
  rev: number;
  /** Since when it is out of sight; removed for good some time later. */
  trashedAt?: Date;
}
