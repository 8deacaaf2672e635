/** `npm run bench`: the platform beside a floor, in one run. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeTestDirectory } from '@magpie/local/testing';
import { growthOf, type Growth, type Progress } from './flat.ts';
import { runFloor } from './floor.ts';
import { HELP, readOptions, type BenchOptions } from './options.ts';
import { startBenchPlatform, type Collected } from './platform.ts';
import { Watch, type Sample, type Usage } from './processes.ts';
import { flatReport, median, ratioOf, roundsReport, type Round } from './report.ts';
import { runBench } from './run-bench.ts';
import { makeSite, type SiteSize } from './site.ts';
import { serveSite } from './site-server.ts';

interface Measured extends Collected {
  usage: Record<string, Usage>;
  samples: Sample[];
  progress: Progress[];
}

const say = (line: string): void => console.log(line);

async function main(options: BenchOptions, signal: AbortSignal): Promise<void> {
  const home = await makeTestDirectory();
  try {
    const results: { rounds: Round[]; flat?: { seconds: number; growth: Record<string, Growth> } } = {
      rounds: [],
    };
    if (!options.flatOnly) {
      const root = join(home, 'site');
      await makeSite(root, options);
      say(
        `site: ${options.pages} pages, ${options.images} images of ${options.bytes} bytes, ${options.references} references`,
      );
      await checkOnce(home, root, options, signal);
      results.rounds = await rounds(home, root, options, signal);
      say(`\n${roundsReport(results.rounds)}`);
      await rm(root, { recursive: true, force: true });
    }
    if (options.flat > 0) {
      const size = {
        pages: options.pages,
        images: options.flat,
        references: options.flat,
        bytes: options.flatBytes,
      };
      say(`\nmemory over a long job: ${size.images} images of ${size.bytes} bytes on ${size.pages} pages`);
      results.flat = await flat(home, size, options, signal);
      say(flatReport(results.flat.growth, size.images, results.flat.seconds));
    }
    if (options.json !== undefined)
      await writeFile(options.json, `${JSON.stringify({ options, ...results }, null, 2)}\n`);
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A run that is not measured: it warms the machine's caches, and the site's log shows what was asked for. */
async function checkOnce(
  home: string,
  root: string,
  options: BenchOptions,
  signal: AbortSignal,
): Promise<void> {
  const log = join(home, 'requests');
  const place = await mkdtemp(join(home, 'nginx-'));
  const site = await serveSite(place, root, log);
  try {
    await onPlatform(site, options, options, signal);
  } finally {
    await site.stop();
  }
  const asked = new Map<string, number>();
  for (const path of (await readFile(log, 'utf8')).split('\n')) asked.set(path, (asked.get(path) ?? 0) + 1);
  const images = [...asked].filter(([path]) => path.startsWith('/i/'));
  const twice = images.filter(([, count]) => count !== 1).length;
  if (images.length !== options.images || twice > 0)
    throw new Error(
      `${images.length} of ${options.images} images were asked for, ${twice} of them more than once`,
    );
  say(`check: each of ${images.length} images was asked for once\n`);
}

async function rounds(
  home: string,
  root: string,
  options: BenchOptions,
  signal: AbortSignal,
): Promise<Round[]> {
  const site = await serveSite(await mkdtemp(join(home, 'nginx-')), root);
  const done: Round[] = [];
  try {
    for (let n = 1; n <= options.rounds; n++) {
      signal.throwIfAborted();
      const watch = new Watch(new Map([['the site', site.pid]]));
      await watch.begin();
      const floor = await runFloor(`${site.url}/`, join(home, 'floor'), options.sketchConcurrency, signal);
      const siteCpuSeconds = (await watch.end())['the site']?.cpuSeconds ?? 0;
      if (floor.images !== options.images) throw new Error(`the sketch found ${floor.images} images`);
      const { seconds, usage } = await onPlatform(site, options, options, signal);
      const round = {
        floor: { ...floor, siteCpuSeconds },
        platform: { images: options.images, seconds, usage },
      };
      done.push(round);
      say(
        `round ${n}: floor ${floor.seconds.toFixed(2)} s, platform ${seconds.toFixed(2)} s, ratio ${ratioOf(round).toFixed(2)}`,
      );
    }
  } finally {
    await site.stop();
  }
  say(`median ratio of ${done.length}: ${median(done.map(ratioOf)).toFixed(2)}`);
  return done;
}

async function flat(
  home: string,
  size: SiteSize,
  options: BenchOptions,
  signal: AbortSignal,
): Promise<{ seconds: number; growth: Record<string, Growth> }> {
  const root = join(home, 'large-site');
  await makeSite(root, size);
  const site = await serveSite(await mkdtemp(join(home, 'nginx-')), root);
  try {
    const { samples, progress, seconds } = await onPlatform(site, size, options, signal);
    return { seconds, growth: growthOf(samples, progress, size.images) };
  } finally {
    await site.stop();
    await rm(root, { recursive: true, force: true });
  }
}

/** One job on a fresh platform with fresh servers; throws when a count is wrong. */
async function onPlatform(
  site: { url: string; pid: number },
  { images, pages }: SiteSize,
  { replicas, env }: BenchOptions,
  signal: AbortSignal,
): Promise<Measured> {
  const world = await startBenchPlatform({ replicas, env, signal });
  try {
    const watch = new Watch(new Map([...world.roots, ['the site', site.pid]]));
    const progress: Progress[] = [];
    await watch.begin();
    const began = Date.now();
    const collected = await world.collect(site.url, ({ counts }) => {
      progress.push({ at: Date.now() - began, done: counts.stored });
    });
    const usage = await watch.end();
    const { counts, pages: read } = collected.job;
    if (counts.stored !== images || counts.discovered !== images || read.done !== pages + 1)
      throw new Error(`wrong counts: ${JSON.stringify({ counts, pages: read })}`);
    return { ...collected, usage, samples: watch.samples, progress };
  } finally {
    await world.stop();
  }
}

await runBench({ help: HELP, readOptions }, main);
