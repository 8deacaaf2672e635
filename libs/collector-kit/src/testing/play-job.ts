import type {
  FoundItem,
  NextStep,
  Outcome,
  OutcomeOf,
  Sample,
  StepWork,
  TargetReport,
} from '@magpie/contracts';
import { seal } from '@magpie/domain';
import { createLogger, createMetrics, type Logger } from '@magpie/service-kit';
import { createContexts, type Contexts } from '../context/create-contexts.ts';
import { StepLedger } from '../context/step-ledger.ts';
import { createReplicaMetrics } from '../run/replica-metrics.ts';
import { stepOutcome, type StopReason } from '../run/step-outcome.ts';
import type { Source } from '../source/define-source.ts';
import { settingsOf } from '../source/settings.ts';
import type { RunInput } from '../source/step.ts';

export interface PlayerOptions {
  readonly filesRoot: string;
  /** Default: loopback. */
  readonly allow?: readonly string[];
  /** Of the source's own settings those that are not as their defaults say; texts are read as in the environment. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The secret of a credential, in the clear; steps that the source's provider charges get it, sealed. */
  readonly credential?: string | { readonly secret: string; readonly account?: string };
  /** Default: silent. */
  readonly log?: Logger;
}

export interface PlayOptions extends PlayerOptions {
  /** Steps at most; one more is an error. Default 10,000. */
  readonly maxSteps?: number;
  /** Steps at once; default 8. */
  readonly concurrency?: number;
  /** Which run of a job with a schedule it is. */
  readonly run?: RunInput;
  /** Items that the job has from earlier runs. */
  readonly known?: readonly Pick<FoundItem, 'kind' | 'url'>[];
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
  readonly samples: Sample[];
  /** What was said last of each target. */
  readonly targets: ReadonlyMap<string, TargetReport>;
  /** The period that was seen, all steps together. */
  readonly coverage: OutcomeOf<'done'>['coverage'];
  /** Calls that reached the provider, by operation. */
  readonly spent: Readonly<Record<string, number>>;
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

/** What the player's credentials are sealed with. */
const SECRET = 'a secret of the tests alone';
const CREDENTIAL_ID = 'credential01';

export async function createPlayer({
  filesRoot,
  allow = ['127.0.0.0/8', '::1'],
  settings,
  credential,
  log = createLogger({ name: 'test', level: 'silent' }),
}: PlayerOptions): Promise<Player> {
  const hosts = new Map<string, number>();
  const { secret, ...whose } = typeof credential === 'object' ? credential : { secret: credential };
  const sealed =
    secret === undefined
      ? {}
      : { credential: { id: CREDENTIAL_ID, ...whose, sealed: seal(SECRET, CREDENTIAL_ID, secret) } };
  const contexts: Contexts = await createContexts({
    filesRoot,
    allow,
    contact: 'https://example.org/contact',
    secret: SECRET,
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
        ...(Object.hasOwn(source.description.provider?.steps ?? {}, step.kind) ? sealed : {}),
        ...step,
      };
      const ledger = new StepLedger();
      const values = settingsOf(source.settings, settings);
      const run = { signal, deadline: Date.now() + 60_000, log, ledger, settings: values };
      return stepOutcome(source, work, contexts.create(work, run), ledger);
    },
    close: () => contexts.close(),
  };
}

interface Waiting {
  readonly work: StepWork;
  readonly item?: string;
}

const nameOf = ({ kind, url }: Pick<FoundItem, 'kind' | 'url'>): string => `${kind} ${url}`;

/**
 * Plays the storage service for one job, or one run of it, in memory: begins with the step `start` (or with the steps
 * that measure the job's targets), does each own step once by its kind and key, fetches each item once, takes the
 * known ones out of steps that fetch several, and asks for `expand` when an item that wants it is there. Steps that
 * fail are not repeated. Close the source when you are done with it.
 */
export async function playJob(
  source: Source,
  params: Record<string, unknown>,
  options: PlayOptions,
): Promise<PlayedJob> {
  const { maxSteps = 10_000, concurrency = 8, run, known = [] } = options;
  const player = await createPlayer(options);
  const items = new Map<string, FoundItem>();
  /** What the job has, or has on its way. */
  const had = new Set(known.map(nameOf));
  const steps: PlayedStep[] = [];
  const seen = new Set<string>();
  const expands = new Map<string, Record<string, unknown>[]>();
  const waiting: Waiting[] = [];
  let begun = 0;

  const put = (next: Omit<NextStep, 'key'>, item?: string): void => {
    const { kind, input, url, urgent } = next;
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
    const one = { work, ...(item === undefined ? {} : { item }) };
    if (urgent) waiting.unshift(one);
    else waiting.push(one);
  };
  /** Whether it brings an item that the job did not have. */
  const add = (next: NextStep): boolean => {
    const { kind, key, item, fetches } = next;
    const name = item ? `item ${nameOf(item)}` : `own ${kind} ${key}`;
    if (fetches) {
      const urls = fetches.urls.filter((url) => !had.has(nameOf({ kind: fetches.kind, url })));
      for (const url of urls) had.add(nameOf({ kind: fetches.kind, url }));
      if (urls.length > 0) put({ ...next, input: { ...next.input, urls } });
      return urls.length > 0;
    }
    const expanded = item?.expand === undefined ? [] : [item.expand];
    if (item) expands.set(name, [...(expands.get(name) ?? []), ...expanded]);
    const there = item && items.get(nameOf(item));
    if (there) expand(name, there);
    if (there || seen.has(name) || (item && had.has(nameOf(item)))) return false;
    seen.add(name);
    if (item) had.add(nameOf(item));
    put(next, item && name);
    return item !== undefined;
  };
  const expand = (name: string, item: FoundItem): void => {
    for (const one of item.outlinks?.length ? (expands.get(name) ?? []) : []) {
      const input = { ...one, url: item.finalUrl ?? item.url, outlinks: item.outlinks ?? [] };
      add({ kind: 'expand', key: item.url, input });
    }
    expands.delete(name);
  };
  const perform = async ({ work, item }: Waiting): Promise<void> => {
    const outcome = await player.perform(source, work);
    if (outcome === undefined) return;
    steps.push({ work, outcome });
    if (outcome.outcome !== 'done') return;
    let news = false;
    for (const found of outcome.items) {
      if (!had.has(nameOf(found))) news = true;
      had.add(nameOf(found));
      items.set(nameOf(found), found);
      if (item !== undefined) expand(item, found);
    }
    for (const next of outcome.next) if (!next.onlyIfNew && add(next)) news = true;
    for (const next of outcome.next) if (next.onlyIfNew && news) add(next);
  };

  try {
    for (const first of firstSteps(source, params, run)) put(first);
    const running = new Set<Promise<void>>();
    while (waiting.length > 0 || running.size > 0) {
      while (waiting.length > 0 && running.size < concurrency) {
        const one: Promise<void> = perform(waiting.shift() as Waiting).finally(() => running.delete(one));
        running.add(one);
      }
      await Promise.race(running);
    }
    return {
      items: [...items.values()],
      steps,
      undone: steps.filter(({ outcome }) => outcome.outcome !== 'done'),
      hosts: player.hosts,
      ...measured(steps),
    };
  } finally {
    await player.close();
  }
}

/** The steps that a run begins with, as storage makes them. */
export function firstSteps(
  { description: { targets } }: Source,
  params: Record<string, unknown>,
  run?: RunInput,
): { kind: string; input: Record<string, unknown> }[] {
  const input = { params, ...(run ? { run } : {}) };
  if (targets === undefined) return [{ kind: 'start', input }];
  const all = (params[targets.param] ?? []) as string[];
  const count = Math.ceil(all.length / targets.perStep);
  return Array.from({ length: count }, (_, i) => ({
    kind: targets.step,
    input: { ...input, targets: all.slice(i * targets.perStep, (i + 1) * targets.perStep) },
  }));
}

function measured(
  steps: readonly PlayedStep[],
): Pick<PlayedJob, 'samples' | 'targets' | 'coverage' | 'spent'> {
  const targets = new Map<string, TargetReport>();
  const samples: Sample[] = [];
  const spent: Record<string, number> = {};
  let coverage: PlayedJob['coverage'];
  for (const { outcome } of steps) {
    for (const [operation, calls] of Object.entries(outcome.spent ?? {})) {
      spent[operation] = (spent[operation] ?? 0) + calls;
    }
    if (outcome.outcome !== 'done') continue;
    samples.push(...(outcome.samples ?? []));
    for (const report of outcome.targets ?? []) targets.set(report.target, report);
    const { from = Infinity, to = -Infinity } = outcome.coverage ?? {};
    if (outcome.coverage) {
      coverage = { from: Math.min(coverage?.from ?? from, from), to: Math.max(coverage?.to ?? to, to) };
    }
  }
  return { samples, targets, coverage, spent };
}

/** A player that reaches loopback, closed after use. */
export async function withPlayer(
  options: string | PlayerOptions,
  use: (player: Player) => Promise<void>,
): Promise<void> {
  const player = await createPlayer(typeof options === 'string' ? { filesRoot: options } : options);
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
