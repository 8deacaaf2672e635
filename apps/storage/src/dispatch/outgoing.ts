/** Steps as they go out: packed into messages of one source and kind. */
import type { SealedCredential, StepsMessage, StepWork } from '@magpie/contracts';
import type { JobDocument, StepDocument } from '@magpie/store';

export interface OutgoingSteps {
  message: StepsMessage;
  /** A collector died over its step: nothing else is to run beside it. */
  alone: boolean;
  priority: JobDocument['priority'];
  correlationId: string;
}

/** What did not get out: no queue took it, or the broker was away. */
export interface Unpublished {
  unroutable: OutgoingSteps[];
  failed: OutgoingSteps[];
}

/** How steps get out; resolves when each is confirmed or known not to be. */
export type PublishSteps = (messages: OutgoingSteps[]) => Promise<Unpublished>;

export interface Claimed {
  job: Pick<JobDocument, '_id' | 'priority' | 'epoch' | 'correlationId'>;
  steps: StepDocument[];
  /** By step: what those that call a provider may call it with. */
  credentials?: ReadonlyMap<string, SealedCredential>;
}

/**
 * The messages for what a turn has claimed.
 * @param times when its steps must have begun, and must have ended (ms)
 * @param size how many steps of a source's kind go into one message
 */
export function messagesOf(
  claimed: readonly Claimed[],
  lease: string,
  times: Pick<StepsMessage, 'startBefore' | 'deadline'>,
  size: (source: string, kind: string) => number,
): OutgoingSteps[] {
  return claimed.flatMap(({ job, steps, credentials }) =>
    pack(steps, size).map((batch) => ({
      message: {
        source: (batch[0] as StepDocument).source,
        ...times,
        steps: batch.map((step) => work(step, job, lease, credentials?.get(step._id))),
      },
      alone: (batch[0] as StepDocument).crashes > 0,
      priority: (batch[0] as StepDocument).urgent ? 'high' : job.priority,
      correlationId: job.correlationId,
    })),
  );
}

/** Steps of one source, kind and urgency, as many a message as the source says; one that crashed a collector goes alone. */
export function pack(
  steps: StepDocument[],
  size: (source: string, kind: string) => number,
): StepDocument[][] {
  const batches: StepDocument[][] = [];
  const open = new Map<string, StepDocument[]>();
  for (const step of steps) {
    if (step.crashes > 0) {
      batches.push([step]);
      continue;
    }
    const group = `${step.source} ${step.kind} ${step.urgent === true}`;
    const batch = open.get(group) ?? [];
    if (batch.length === 0) batches.push(batch);
    batch.push(step);
    if (batch.length >= size(step.source, step.kind)) open.delete(group);
    else open.set(group, batch);
  }
  return batches;
}

const work = (
  step: StepDocument,
  job: Claimed['job'],
  lease: string,
  credential: SealedCredential | undefined,
): StepWork => ({
  id: step._id,
  lease,
  jobId: job._id,
  epoch: job.epoch,
  kind: step.kind,
  ...(step.url === undefined ? {} : { url: step.url }),
  attempt: step.attempt,
  input: step.input,
  ...(step.etag === undefined ? {} : { etag: step.etag }),
  ...(step.lastModified === undefined ? {} : { lastModified: step.lastModified }),
  ...(credential === undefined ? {} : { credential }),
});
