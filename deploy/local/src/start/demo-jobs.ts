/** The jobs of a demo, one for each source with an API: made at its first start, gone on with at each later one. */
import type { Job } from '@magpie/contracts';
import { noteDemo, type DemoMemory } from '../demo/memory.ts';
import type { DemoCredential } from '../demo/providers.ts';
import { ApiProblem, type Api } from './api.ts';
import type { Screen } from './screen.ts';

/** Of a demo's keys. */
const KEY_NAME = 'demo';
const DAY = 86_400_000;
/** How long to wait for what a job brings at first. */
const PATIENCE_MS = 60_000;
const OVER = ['completed', 'failed', 'stopped', 'terminated'];

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

interface DemoJob {
  source: string;
  provider: string;
  /** What it collects, in words. */
  about: string;
  body: { params: Record<string, unknown>; schedule?: Record<string, unknown> };
  /** What came, or undefined as long as there is too little to show. */
  came(job: Job): string | undefined;
  /** Where to see it, below the platform's address. */
  see(job: Job): string[];
}

const demoJobs = (since: number): DemoJob[] => [
  {
    source: 'instagram-hashtag',
    provider: 'instagram',
    about: '#sunset, with photos',
    body: {
      params: {
        tag: '#sunset',
        start: dayOf(since - 2 * DAY),
        end: dayOf(since + 7 * DAY),
        minIntervalMinutes: 1,
        media: true,
      },
    },
    came: ({ counts }) =>
      counts.stored > 0 && counts.pending === 0 ? `${counts.stored} posts and photos` : undefined,
    see: ({ id }) => [`/task/${id}/`],
  },
  {
    source: 'facebook-pages',
    provider: 'facebook',
    about: 'fans of 50 pages, every minute',
    body: {
      params: { pages: Array.from({ length: 50 }, (_, i) => `page${String(i + 1).padStart(5, '0')}`) },
      schedule: { every: 'PT1M' },
    },
    came: ({ samples }) => (samples > 0 ? `${samples} measurements` : undefined),
    see: () => ['/api/fans/linechart/page00006?interval=raw', '/api/fans/table/page00006?interval=raw'],
  },
  {
    source: 'youtube-search',
    provider: 'youtube',
    about: 'videos about cricket, every 30 s',
    body: {
      params: { q: 'cricket', every: '30s', publishedAfter: new Date(since - 2 * DAY).toISOString() },
    },
    came: ({ counts }) => (counts.stored > 0 && counts.pending === 0 ? `${counts.stored} videos` : undefined),
    see: () => ['/videos/', '/search/?q=cricket'],
  },
];

/** Enters the demo's keys where they are missing, and enables those that were refused. */
async function enterCredentials(api: Api, credentials: readonly DemoCredential[]): Promise<void> {
  for (const credential of credentials) {
    const { items } = await api<{ items: { id: string; name: string; state: string }[] }>(
      `/api/v1/credentials?provider=${credential.provider}`,
    );
    const own = items.find(({ name }) => name === KEY_NAME);
    if (own === undefined) await api('/api/v1/credentials', { ...credential, name: KEY_NAME });
    else if (own.state === 'disabled')
      await api(`/api/v1/credentials/${own.id}`, { state: 'active' }, 'PATCH');
  }
}

/** What a demo goes by. */
export interface Demo {
  api: Api;
  /** Where the platform is reached, without a slash at its end. */
  base: string;
  /** The data directory. */
  data: string;
  memory: DemoMemory;
  credentials: readonly DemoCredential[];
  /** The sources whose collectors run. */
  sources: readonly string[];
}

/** Makes the jobs that are not there, and shows of each what came and where to see it; notes them in `memory`. */
export async function runDemoJobs(
  { api, base, data, memory, credentials, sources }: Demo,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const all = demoJobs(memory.since).filter(({ source }) => sources.includes(source));
  const providers = all.map(({ provider }) => provider);
  await enterCredentials(
    api,
    credentials.filter(({ provider }) => providers.includes(provider)),
  );
  const jobs: Job[] = [];
  for (const { source, body } of all) {
    const job =
      (await found(api, memory.jobs[source])) ?? (await api<Job>('/api/v1/jobs', { source, ...body }));
    memory.jobs[source] = job.id;
    await noteDemo(data, memory);
    jobs.push(job);
  }
  await Promise.all(all.map((demo, i) => show(demo, jobs[i] as Job, { api, base }, screen, signal)));
}

/** A job that is still there, and was not completed: an hour at which it ends may have come. */
async function found(api: Api, id: string | undefined): Promise<Job | undefined> {
  if (id === undefined) return undefined;
  const job = await api<Job>(`/api/v1/jobs/${id}`).catch((error: unknown) => {
    if (error instanceof ApiProblem && error.status === 404) return undefined;
    throw error;
  });
  return job?.state === 'completed' ? undefined : job;
}

async function show(
  { source, about, came, see }: DemoJob,
  first: Job,
  { api, base }: { api: Api; base: string },
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const began = Date.now();
  const line = (text: string): string => `  ${source.padEnd(17)} ${about}: ${text}`;
  for (let job = first; ; job = await api<Job>(`/api/v1/jobs/${first.id}`)) {
    const result = came(job);
    if (result !== undefined) {
      const where = see(job).map((path) => screen.style(36, base + path));
      return screen.live(source, line([result, ...where].join('  ')), true);
    }
    const { state, waiting, error, counts } = job;
    const why = error?.message ?? waiting?.reason;
    const now = `${state}${why ? ` (${why})` : ''}`;
    if (OVER.includes(state) || Date.now() - began > PATIENCE_MS)
      return screen.live(source, screen.style(31, line(`nothing came; ${now}`)), true);
    screen.live(source, line(`${now}, ${counts.stored} stored, ${counts.pending} to go`));
    await new Promise((resolve) => setTimeout(resolve, 500));
    signal.throwIfAborted();
  }
}
