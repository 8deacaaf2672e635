/** Rounds of measuring all pages, one after the other, on one platform. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Run } from '@magpie/contracts';
import type { Store } from '@magpie/store';
import { startBenchPlatform, ask, type BenchPlatform } from '../platform.ts';
import { Watch, type Usage } from '../processes.ts';
import { startDouble, type Calls } from './double.ts';
import type { PagesOptions } from './options.ts';

export interface Round {
  seconds: number;
  samples: number;
  calls: number;
  /** Resident bytes of each process when it ended. */
  rssBytes: Record<string, number>;
}

export interface RoundsResult {
  rounds: Round[];
  /** Firings that came while the round before was not over. */
  skipped: number;
  /** Of the provider, over all rounds. */
  calls: Calls;
  usage: Record<string, Usage>;
  bytesPerSample: number;
  seconds: number;
}

const TOKEN = 'facebook-double-token';
const ASK_MS = 1000;

/** @throws Error when a round fails, or has not as many samples as there are pages */
export async function runRounds(
  options: PagesOptions,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<RoundsResult> {
  const double = await startDouble(options.pages);
  let world: BenchPlatform | undefined;
  try {
    world = await startBenchPlatform({
      replicas: {
        'web-images': 0,
        'web-text': 0,
        'instagram-hashtag': 0,
        'youtube-search': 0,
        ...options.replicas,
      },
      env: {
        FACEBOOK_API_URL: double.url,
        MAGPIE_SECRET: 'a secret for the benchmark alone',
        ...options.env,
      },
      signal,
    });
    const { url } = world.platform;
    await ask(`${url}/api/v1/credentials`, { provider: 'facebook', name: 'bench', secret: TOKEN });
    const watch = new Watch(new Map([...world.roots, ['the provider', double.pid]]));
    await watch.begin();
    const began = Date.now();
    const pages = Array.from({ length: options.pages }, (_, i) => `page${String(i + 1).padStart(5, '0')}`);
    const job = await ask<Job>(`${url}/api/v1/jobs`, {
      source: 'facebook-pages',
      params: { pages },
      schedule: { every: `PT${options.every}S` },
    });
    const rounds: Round[] = [];
    let skipped = 0;
    while (rounds.length < options.rounds) {
      await sleep(ASK_MS, undefined, { signal });
      const { items } = await ask<{ items: Run[] }>(`${url}/api/v1/jobs/${job.id}/runs?limit=500`);
      const wrong = items.find(({ state }) => state === 'failed');
      if (wrong) throw new Error(`a round failed: ${JSON.stringify(wrong)}`);
      skipped = items.filter(({ state }) => state === 'skipped').length;
      const ended = items.filter(({ state }) => state === 'completed').reverse();
      for (const run of ended.slice(rounds.length, options.rounds)) {
        const round = roundOf(run, watch);
        if (round.samples !== options.pages)
          throw new Error(`${round.samples} samples in a round of ${options.pages}`);
        rounds.push(round);
        say(`round ${rounds.length}: ${round.seconds.toFixed(1)} s, ${round.samples} samples`);
      }
    }
    await ask(`${url}/api/v1/jobs/${job.id}/stop`, {});
    const usage = await watch.end();
    const seconds = (Date.now() - began) / 1000;
    return {
      rounds,
      skipped,
      calls: await double.calls(),
      usage,
      seconds,
      bytesPerSample: await bytesPerSample(world.store),
    };
  } finally {
    await world?.stop();
    await double.stop();
  }
}

/** On disk, as WiredTiger keeps it (compressed), once all of it is written. */
export async function bytesPerSample(store: Store): Promise<number> {
  const { connection } = store;
  await connection.db?.admin().command({ fsync: 1 });
  const stats = await connection.db?.command({ collStats: 'samples' });
  const count = await store.samples.collection.estimatedDocumentCount();
  return Number(stats?.['storageSize']) / count;
}

const roundOf = ({ startedAt, endedAt, counts }: Run, { samples }: Watch): Round => ({
  seconds: (Date.parse(endedAt ?? '') - Date.parse(startedAt ?? '')) / 1000,
  samples: counts.samples,
  calls: counts.requests,
  rssBytes: samples.at(-1)?.rssBytes ?? {},
});
