import { resolve } from 'node:path';
import { isDemoData, noteDemo, recallDemo, type DemoMemory } from '../demo/memory.ts';
import type { DemoProviders } from '../demo/providers.ts';
import { startDemoSite } from '../demo/site.ts';
import { collectorIds, startPlatform } from '../platform/platform.ts';
import type { RunningServer } from '../server.ts';
import { startServers } from '../servers.ts';
import { apiAt } from './api.ts';
import { runDemoJobs } from './demo-jobs.ts';
import { runFirstJobs } from './first-jobs.ts';
import { claimData } from './one-start.ts';
import { keepRunning } from './keep-running.ts';
import { HELP, parseStart, type StartOptions } from './options.ts';
import { Screen } from './screen.ts';

const screen = new Screen();
const abort = new AbortController();
const opened: { name: string; close: () => Promise<unknown> }[] = [];
const began = Date.now();

function options(): StartOptions {
  try {
    return parseStart(process.argv.slice(2), process.env);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

async function start({
  site: wantsSite,
  demo,
  urls,
  replicas,
  data: given,
  port,
}: StartOptions): Promise<void> {
  const data = resolve(given);
  opened.push({ name: 'data', close: await claimData(data) });
  if (!demo && (await isDemoData(data)))
    throw new Error(
      `${data} is a demo's, with its keys and jobs. Start it with --demo, or give another --data.`,
    );
  const say = (line: string): void => screen.line(screen.style(2, `  ${line}`));
  screen.line(screen.style(1, 'Magpie'));
  const servers = await startServers({ data, need: ['mongodb', 'rabbitmq'], say, signal: abort.signal });
  opened.push({ name: 'servers', close: servers.stop });
  const alarm = (line: string): void => screen.line(screen.style(31, line));
  const keep = (server: Pick<RunningServer, 'process' | 'restart'>): void => {
    if (server.process)
      void keepRunning(server.process, { say: alarm, signal: abort.signal, start: server.restart });
  };
  for (const server of [servers.mongodb, servers.rabbitmq]) if (server) keep(server);
  for (const source of servers.sources) screen.line(`  ${source}`);
  const site = wantsSite && urls.length === 0 ? await startDemoSite() : undefined;
  if (site) opened.push({ name: 'site', close: site.close });
  const pages = site ? [site.url] : urls;
  const providers = demo ? await startProviders(data) : undefined;
  const allow = [
    process.env['MAGPIE_ALLOW_ADDRESSES'],
    ...[site?.address, ...(providers?.addresses ?? [])].map((address) => address && `${address}/32`),
  ];
  const publicUrl = process.env['MAGPIE_PUBLIC_URL'];
  const platform = await startPlatform({
    data,
    amqpUrl: servers.amqpUrl,
    mongodbUrl: servers.mongodbUrl,
    port,
    replicas,
    ...(pages.length > 0 ? { first: ['web-images', 'web-text'] } : {}),
    env: { MAGPIE_ALLOW_ADDRESSES: allow.filter(Boolean).join(','), ...providers?.env },
    ...(publicUrl ? { publicUrl } : {}),
    say,
    signal: abort.signal,
  });
  opened.push({ name: 'platform', close: platform.stop });
  screen.line(`  ${platform.nginx.source}`);
  const api = apiAt(platform.url, abort.signal);
  if (pages.length > 0) {
    screen.line(`Collecting ${site ? `the bundled site (${site.url})` : pages.join(', ')}:`);
    const image = await runFirstJobs(api, { urls: pages, depth: site ? 2 : 0 }, screen, abort.signal);
    if (image) screen.line(`  Image  ${screen.style(36, image)}`);
  }
  await platform.startRest();
  screen.line(`  ${[...platform.processes.keys()].join(', ')}: logs in ${data}/logs`);
  if (providers) {
    screen.line('Collecting from doubles of Instagram, Facebook and YouTube:');
    const sources = collectorIds().filter((id) => replicas[id] !== 0);
    const { memory, credentials } = providers;
    await runDemoJobs({ api, base: platform.url, data, memory, credentials, sources }, screen, abort.signal);
  }
  screen.line(screen.style(1, `Ready after ${Math.round((Date.now() - began) / 1000)} s. Ctrl-C ends it.`));
  screen.line(`  API    ${screen.style(36, `${platform.url}/api/v1/jobs`)}`);
  screen.line(`  Docs   ${screen.style(36, `${platform.url}/docs`)}`);
  keep(platform.nginx);
  for (const managed of platform.processes.values())
    void keepRunning(managed, { say: alarm, signal: abort.signal });
}

/** The doubles of a demo, and what it goes on with; they are code for tests, and loaded here alone. */
async function startProviders(data: string): Promise<DemoProviders & { memory: DemoMemory }> {
  const { startDemoProviders } = await import('../demo/providers.ts');
  const memory = await recallDemo(data);
  const providers = await startDemoProviders(memory);
  opened.push({ name: 'providers', close: providers.close });
  await noteDemo(data, memory);
  return { ...providers, memory };
}

async function closeAll(): Promise<void> {
  for (let one = opened.pop(); one; one = opened.pop())
    await one.close().catch((error: unknown) => screen.line(`${one?.name}: ${String(error)}`));
}

const given = options();
if (given.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
let ending: Promise<void> | undefined;
const end = (code: number): Promise<void> =>
  (ending ??= (async () => {
    abort.abort();
    await started;
    screen.line('Ending …');
    await closeAll();
    process.exit(code);
  })());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(0));
// Servers that were found, not started, leave nothing open here: the platform runs until somebody ends it.
setInterval(() => undefined, 60_000);
const started = start(given).catch((error: unknown) => {
  if (abort.signal.aborted) return;
  screen.line(screen.style(31, (error as Error).message));
  setImmediate(() => void end(1));
});
await started;
