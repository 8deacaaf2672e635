// For tests: plays the storage service at the broker.
import { setTimeout as sleep } from 'node:timers/promises';
import { EXCHANGES, RESULTS_QUEUE, SOURCES_QUEUE, stepsQueue } from '@magpie/broker';
import { brokerSuite } from '@magpie/broker/testing';
import {
  MESSAGES,
  type ControlBody,
  type HostReport,
  type Outcome,
  type SourceDescription,
  type StepWork,
} from '@magpie/contracts';

export interface TestDispatcher {
  readonly url: string;
  readonly prefix: string;
  readonly outcomes: readonly Outcome[];
  readonly hosts: readonly HostReport[];
  /** Outcomes of each result message so far. */
  readonly sizes: readonly number[];
  /** Publishes one steps message; answers its steps. */
  dispatch(steps: Partial<StepWork>[], times?: { startIn?: number; endIn?: number }): Promise<StepWork[]>;
  control(body: ControlBody): Promise<void>;
  /** The outcomes so far, as soon as there are `count` of them. */
  until(count: number, ms?: number): Promise<readonly Outcome[]>;
  announced(ms?: number): Promise<SourceDescription>;
  /** Takes every message of the queue as a replica that dies with them would. */
  takeAndDie(): Promise<void>;
  /** Messages in the steps queue that nobody has. */
  depth(): Promise<number>;
  end(): Promise<void>;
}

let number = 0;

export async function createDispatcher(source: string): Promise<TestDispatcher> {
  const suite = brokerSuite();
  const broker = suite.broker({ name: 'test dispatcher' });
  const outcomes: Outcome[] = [];
  const hosts: HostReport[] = [];
  const sizes: number[] = [];
  const announced: SourceDescription[] = [];
  const results = broker.consume({
    queue: RESULTS_QUEUE,
    types: [MESSAGES.results],
    handler: async ({ body }) => {
      outcomes.push(...body.outcomes);
      hosts.push(...(body.hosts ?? []));
      sizes.push(body.outcomes.length);
    },
  });
  const sources = broker.consume({
    queue: SOURCES_QUEUE,
    types: [MESSAGES.sourceAnnounced],
    handler: async ({ body }) => void announced.push(body),
  });
  await broker.declare(stepsQueue(source));

  return {
    url: suite.url,
    prefix: suite.prefix,
    outcomes,
    hosts,
    sizes,
    async dispatch(steps, { startIn = 20_000, endIn = 40_000 } = {}) {
      const work = steps.map((one) => {
        number += 1;
        return {
          id: `step${number}`,
          lease: `lease-of-${number % 2}`,
          jobId: 'job00001',
          epoch: 1,
          kind: 'thing',
          attempt: 1,
          input: {},
          ...one,
        };
      });
      await broker.publish({
        exchange: EXCHANGES.steps,
        routingKey: `${source}.normal`,
        type: MESSAGES.steps,
        body: { source, startBefore: Date.now() + startIn, deadline: Date.now() + endIn, steps: work },
        correlationId: 'test-correlation',
      });
      return work;
    },
    control: (body) =>
      broker.publish({ exchange: EXCHANGES.control, routingKey: '', type: MESSAGES.control, body }),
    until: async (count, ms = 30_000) => {
      await eventually(
        () => outcomes.length >= count,
        ms,
        () => `${outcomes.length} of ${count} outcomes`,
      );
      return outcomes;
    },
    announced: async (ms = 30_000) => {
      await eventually(
        () => announced.length > 0,
        ms,
        () => 'no announcement',
      );
      return announced[0] as SourceDescription;
    },
    async takeAndDie() {
      const dying = suite.broker({ name: 'dying replica' });
      let taken = 0;
      const consumer = dying.consume({
        queue: stepsQueue(source),
        types: [MESSAGES.steps],
        prefetch: 100,
        handler: () => {
          taken += 1;
          return new Promise(() => {});
        },
      });
      await consumer.ready;
      await eventually(
        () => taken > 0,
        30_000,
        () => 'nothing to take',
      );
      await dying.close({ timeoutMs: 0 });
    },
    depth: () => suite.depth(stepsQueue(source)),
    async end() {
      await Promise.all([results.close(), sources.close()]);
      await suite.end();
    },
  };
}

/** Waits until the condition holds. @throws Error with `what()` when it does not within `ms` */
export async function eventually(condition: () => boolean, ms: number, what: () => string): Promise<void> {
  for (const over = Date.now() + ms; !condition(); await sleep(10)) {
    if (Date.now() > over) throw new Error(`after ${ms} ms: ${what()}`);
  }
}
