import { setTimeout as sleep } from 'node:timers/promises';
import {
  createBroker,
  EXCHANGES,
  RESULTS_QUEUE,
  SOURCES_QUEUE,
  stepsQueue,
} from '@magpie/broker';
import {
  MESSAGES,
  type ControlBody,
  type HostReport,
  type Outcome,
  type SourceDescription,
  type StepWork,
} from '@magpie/contracts';
import { newId } from '@magpie/domain';

export interface TestDispatcher {
  readonly prefix: string;
  readonly hosts: HostReport[];
  /** Outcomes in each result message so far. */
  readonly sizes: number[];
  /** Publishes one steps message; answers its steps. */
  dispatch(steps: Partial<StepWork>[], times?: { startIn?: number; endIn?: number }): Promise<StepWork[]>;
  control(body: ControlBody): Promise<void>;
  /** The first `count` outcomes, as soon as they have come. */
  outcomes(count: number, ms?: number): Promise<Outcome[]>;
  announced(ms?: number): Promise<SourceDescription>;
  /** Resolves when no message is in the steps queue, taken or not. */
  close(): Promise<void>;
}

let number = 0;

/** Plays the storage service: dispatches steps, collects results. */
export async function createDispatcher(url: string, source: string): Promise<TestDispatcher> {
  const prefix = `test-${newId()}.`;
  const broker = createBroker({ url, prefix, name: 'test dispatcher' });
  const outcomes: Outcome[] = [];
  const hosts: HostReport[] = [];
  const sizes: number[] = [];
  const announced: SourceDescription[] = [];
  broker.consume({
    queue: RESULTS_QUEUE,
    types: [MESSAGES.results],
    handler: async ({ body }) => {
      outcomes.push(...body.outcomes);
      hosts.push(...(body.hosts ?? []));
      sizes.push(body.outcomes.length);
    },
  });
  broker.consume({
    queue: SOURCES_QUEUE,
    types: [MESSAGES.sourceAnnounced],
    handler: async ({ body }) => void announced.push(body),
  });
  await broker.declare(stepsQueue(source));

  const until = async <T>(get: () => T | undefined, what: string, ms: number): Promise<T> => {
    for (const over = Date.now() + ms; Date.now() < over; await sleep(10)) {
      const value = get();
      if (value !== undefined) return value;
    }
    throw new Error(`${what} within ${ms} ms`);
  };

  return {
    prefix,
    hosts,
    sizes,
    async dispatch(steps, { startIn = 10_000, endIn = 20_000 } = {}) {
      const work = steps.map((one) => {
        number += 1;
        return {
          id: `step${number}`,
          lease: `lease${number}`,
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
        mandatory: true,
      });
      return work;
    },
    control: (body) =>
      broker.publish({ exchange: EXCHANGES.control, routingKey: '', type: MESSAGES.control, body }),
    outcomes: (count, ms = 10_000) =>
      until(() => (outcomes.length >= count ? outcomes : undefined), `not ${count} outcomes`, ms),
    announced: (ms = 5_000) => until(() => announced[0], 'no announcement', ms),
    async close() {
      await broker.close();
    },
  };
}
