/**
 * What MongoDB holds.
 *
 * job    what somebody asked for; `rev` grows with every change and serialises writers of one job.
 * step   one unit of the frontier. `_id` is the item's id when the step is an item's fetch (so all jobs share it),
 *        or of `{job, kind, key}` when it is the job's own. `jobs` are those that wait for it.
 * link   a job's ledger: one line for every item and page that it found, with what became of it.
 * item   one collected thing; `_id` is of `{kind, url}`: that is the unique index by source URL.
 *        `refs` counts the links to it.
 */
import type { Accept, JobState, JobTransition, Priority, WaitReason } from '@magpie/contracts';

export interface JobDocument {
  _id: string;
  source: string;
  params: Record<string, unknown>;
  priority: Priority;
  rank: number;
  state: JobState;
  epoch: number;
  rev: number;
  waiting: { reason: WaitReason; until: Date; detail?: string } | null;
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
  history: (Omit<JobTransition, 'at'> & { at: Date })[];
  /** Set by `retry`: what failed is to be put back into the frontier, up to this order of links. */
  retrying: boolean;
  /** Being removed; what a removal that was cut off has left is gone when it is asked for again. */
  removing?: true;
  correlationId: string;
  createdAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  updatedAt: Date;
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
  etag?: string;
  lastModified?: string;
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
  /** `<job>:<step or item>` */
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
  /** Whether this job's fetch made the item: terminating the job then removes it, if no other job has it. */
  brought?: boolean;
  /** `epoch` is the job's at the time: a retry takes up what failed in an earlier one. */
  error?: { code: string; message: string; attempt: number; status?: number; at: Date; epoch: number };
  /** With a failure: how to make the step again. */
  step?: Pick<StepDocument, 'kind' | 'key' | 'url' | 'input'>;
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

export interface SourceDocument {
  _id: string;
  summary: string;
  version: string;
  params: Record<string, unknown>;
  emits: Record<string, unknown>;
  batch: Record<string, number>;
  lastSeenAt: Date;
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

export interface IdempotencyDocument {
  _id: string;
  bodyHash: string;
  jobId: string;
  at: Date;
}

/** A file that perhaps no item refers to any more. `rev` grows each time it is noted. */
export interface OrphanDocument {
  _id: string;
  rev: number;
  /** Since when it is out of sight; removed for good some time later. */
  trashedAt?: Date;
}
