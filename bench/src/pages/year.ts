/** The chart of a year of one page, from roll-ups through the gateway, beside reading the same points by `find`. */
import { emptySummary, hourOf, joinSummaries, summaryOf } from '@magpie/domain';
import { writeHours, type HourOfTarget, type SampleDocument, type Store } from '@magpie/store';
import { startBenchPlatform } from '../platform.ts';
import { median } from '../report.ts';
import type { PagesOptions } from './options.ts';

export interface Asked {
  interval: string;
  labels: number;
  /** Medians of the whole answer, and of the `find` in turn with it. */
  ms: number;
  findMs: number;
}

export interface YearResult {
  points: number;
  asked: Asked[];
}

const MINUTE_MS = 60_000;
const STEP_MS = 10 * MINUTE_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
const OF = { source: 'facebook-pages', target: 'ayear' };
const REPEATS = 15;

export async function chartYear({ env }: PagesOptions, signal: AbortSignal): Promise<YearResult> {
  const collectors = ['web-images', 'web-text', 'instagram-hashtag', 'facebook-pages', 'youtube-search'];
  const world = await startBenchPlatform({
    replicas: Object.fromEntries(collectors.map((name) => [name, 0])),
    env,
    signal,
  });
  try {
    const to = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    const from = to - 365 * DAY_MS;
    const points = await fill(world.store, from, to);
    const asked: Asked[] = [];
    for (const interval of ['hour', 'day']) {
      const period = `from=${new Date(from).toISOString()}&to=${new Date(to - 1).toISOString()}`;
      const url = `${world.platform.url}/api/fans/linechart/${OF.target}?${period}&interval=${interval}`;
      const charts: number[] = [];
      const finds: number[] = [];
      let labels = 0;
      for (let i = 0; i < REPEATS; i++) {
        signal.throwIfAborted();
        charts.push(await timed(async () => void (labels = (await chart(url)).length)));
        finds.push(
          await timed(async () => {
            const found = await allPoints(world.store, from, to);
            if (found !== points) throw new Error(`${found} of ${points} points were found`);
          }),
        );
      }
      asked.push({ interval, labels, ms: median(charts), findMs: median(finds) });
    }
    const [hours, days] = asked.map(({ labels }) => labels);
    if (hours !== 365 * 24 || days !== 365) throw new Error(`${hours} hours and ${days} days in a year`);
    return { points, asked };
  } finally {
    await world.stop();
  }
}

/** Every ten minutes a sample, and the roll-ups that storage would have made of them. Gives how many samples. */
async function fill(store: Store, from: number, to: number): Promise<number> {
  const samples: SampleDocument[] = [];
  for (let at = from; at < to; at += STEP_MS) {
    const fans = 100_000 + Math.floor((at - from) / STEP_MS) * 3;
    samples.push({ at: new Date(at), of: OF, round: new Date(at), values: { fans, followers: fans + 500 } });
  }
  for (let i = 0; i < samples.length; i += 5000)
    await store.samples.collection.insertMany(samples.slice(i, i + 5000) as never, { ordered: false });
  const hours = new Map<number, HourOfTarget>();
  for (const { at, values } of samples) {
    const start = hourOf(at);
    const before = hours.get(start.getTime())?.summary ?? { ...emptySummary(), to: at };
    const summary = { ...joinSummaries(before, summaryOf(values)), to: at };
    hours.set(start.getTime(), { ...OF, from: start, summary });
  }
  await store.transaction((session) => writeHours(store, session, [...hours.values()]));
  return samples.length;
}

async function chart(url: string): Promise<string[]> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(20_000) });
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { labels: string[] }).labels;
}

async function allPoints(store: Store, from: number, to: number): Promise<number> {
  const at = { $gte: new Date(from), $lt: new Date(to) };
  const found = await store.samples.collection
    .find({ 'of.source': OF.source, 'of.target': OF.target, at } as never)
    .sort({ at: 1 })
    .toArray();
  return found.length;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
