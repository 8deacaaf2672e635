import type { FoundItem, NextStep, Outcome, StepWork } from '@magpie/contracts';
import { createLogger, createMetrics } from '@magpie/service-kit';
import { createContexts, type Contexts } from '../context/create-contexts.ts';
import { createReplicaMetrics } from '../run/replica-metrics.ts';
import { stepOutcome, type StopReason } from '../run/step-outcome.ts';
import type { Source } from '../source/define-source.ts';

export interface PlayOptions {
  readonly filesRoot: string;
  /** Default: loopback. */
  readonly allow?: readonly string[];
  /** Steps at most; one more is an error. Default 10,000. */
  readonly maxSteps?: number;
  /** Steps at once; default 8. */
  readonly concurrency?: number;
}

export interface PlayedStep {
  readonly work: StepWork;
  readonly outcome: Outcome;
}

export interface PlayedJob {
  /** Each item once. */
  readonly items: FoundItem[];
  /** Every step that was done, in the order of their ends. */
  readonly steps: PlayedStep[];
  /** The steps that were not done, by their outcomes. */
  readonly undone: PlayedStep[];
  /** Crawl delays reported. */
  readonly hosts: ReadonlyMap<string, number>;
}

/** Does steps of a source in this process, without a broker. Close it. */
export interface Player {
  readonly hosts: ReadonlyMap<string, number>;
  perform(
    source: Source,
    step: Partial<StepWork> & { kind: string },
    signal?: AbortSignal,
  ): Promise<Outcome | undefined>;
  close(): Promise<void>;
}

let number = 0;

export async function createPlayer({
  filesRoot,
  allow = ['127.0.0.0/8', '::1'],
}: PlayOptions): Promise<Player> {
  const hosts = new Map<string, number>();
  const log = createLogger({ name: 'test', level: 'silent' });
  const contexts: Contexts = await createContexts({
    filesRoot,
    allow,
    contact: 'https://example.org/contact',
    log,
    metrics: createReplicaMetrics(createMetrics({ name: 'test', defaults: false })),
    onHostDelay: (host, delayMs) => hosts.set(host, delayMs),
  });
  return {
    hosts,
    perform(source, step, signal = new AbortController().signal) {
      number += 1;
      const work: StepWork = {
        id: `step${number}`,
        lease: `lease${number}`,
        jobId: 'job00001',
        epoch: 1,
        attempt: 1,
        input: {},
        ...step,
      };
      const context = contexts.create(work, { signal, deadline: Date.now() + 60_000, log });
      return stepOutcome(source, work, context);
    },
    close: () => contexts.close(),
  };
}

/**
 * Plays the storage service for one job in memory: begins with the step `start`, does each own step once by its
 * kind and key, fetches each item once, and asks for `expand` when an item that wants it is there. Steps that
 * fail are not repeated. Close the source when you are done with it.
 */
export async function playJob(
  source: Source,
  params: Record<string, unknown>,
  options: PlayOptions,
): Promise<PlayedJob> {
  const { maxSteps = 10_000, concurrency = 8 } = options;
  const player = await createPlayer(options);
  const items = new Map<string, FoundItem>();
  const steps: PlayedStep[] = [];
  const seen = new Set<string>();
  const expands = new Map<string, Record<string, unknown>[]>();
  const waiting: { work: StepWork; item?: string }[] = [];
  let begun = 0;

  const add = (next: Pick<NextStep, 'kind' | 'key' | 'input'> & Partial<NextStep>): void => {
    const { kind, key, input, url, item } = next;
    const name = item ? `item ${item.kind} ${item.url}` : `own ${kind} ${key}`;
    const expanded = item?.expand === undefined ? [] : [item.expand];
    if (item) expands.set(name, [...(expands.get(name) ?? []), ...expanded]);
    const known = item && items.get(`${item.kind} ${item.url}`);
    if (known) return expand(name, known);
    if (seen.has(name)) return;
    seen.add(name);
    begun += 1;
    if (begun > maxSteps) throw new Error(`more than ${maxSteps} steps`);
    const work = {
      id: `step${begun}`,
      lease: `lease${begun}`,
      jobId: 'job00001',
      epoch: 1,
      kind,
      attempt: 1,
      input,
      ...(url === undefined ? {} : { url }),
    };
    waiting.push({ work, ...(item ? { item: name } : {}) });
  };
  const expand = (name: string, item: FoundItem): void => {
    for (const one of item.outlinks?.length ? (expands.get(name) ?? []) : []) {
      const input = { ...one, url: item.finalUrl ?? item.url, outlinks: item.outlinks ?? [] };
      add({ kind: 'expand', key: item.url, input });
    }
    expands.delete(name);
  };
  const perform = async ({ work, item }: { work: StepWork; item?: string }): Promise<void> => {
    const outcome = await player.perform(source, work);
    if (outcome === undefined) return;
    steps.push({ work, outcome });
    if (outcome.outcome !== 'done') return;
    for (const found of outcome.items) {
      items.set(`${found.kind} ${found.url}`, found);
      if (item !== undefined) expand(item, found);
    }
    for (const next of outcome.next) add(next);
  };

  try {
    add({ kind: 'start', key: 'start', input: { params } });
    const running = new Set<Promise<void>>();
    while (waiting.length > 0 || running.size > 0) {
      while (waiting.length > 0 && running.size < concurrency) {
        const one: Promise<void> = perform(waiting.shift() as (typeof waiting)[number]).finally(() =>
          running.delete(one),
        );
        running.add(one);
      }
      await Promise.race(running);
    }
    return {
      items: [...items.values()],
      steps,
      undone: steps.filter(({ outcome }) => outcome.outcome !== 'done'),
      hosts: player.hosts,
    };
  } finally {
    await player.close();
  }
}

/** A player that reaches loopback, closed after use. */
export async function withPlayer(filesRoot: string, use: (player: Player) => Promise<void>): Promise<void> {
  const player = await createPlayer({ filesRoot });
  try {
    await use(player);
  } finally {
    await player.close();
  }
}

/** A signal that aborts as a terminated job's would. */
export function terminating(): { signal: AbortSignal; terminate: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, terminate: () => controller.abort('terminated' satisfies StopReason) };
}
