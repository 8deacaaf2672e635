/** The first jobs of a start: images and text of some pages, shown live until they have ended. */
import type { Job } from '@magpie/contracts';
import type { Api } from './api.ts';
import type { Screen } from './screen.ts';

export interface FirstJobs {
  urls: readonly string[];
  /** Follow the site's own links that far. */
  depth: number;
}

const ENDED = ['completed', 'failed', 'stopped', 'terminated'];

/** Submits and follows the jobs; gives the static URL of one collected image, if there is one. */
export async function runFirstJobs(
  call: Api,
  { urls, depth }: FirstJobs,
  screen: Screen,
  signal: AbortSignal,
): Promise<string | undefined> {
  const jobs = await Promise.all(
    ['web-images', 'web-text'].map((source) =>
      call<Job>('/api/v1/jobs', { source, params: { urls, ...(depth > 0 ? { depth, scope: 'host' } : {}) } }),
    ),
  );
  const ended = await Promise.all(jobs.map((job) => follow(job, call, screen, signal)));
  for (const job of ended)
    if (job.state === 'failed' && job.error)
      screen.line(`  ${job.source} failed: ${job.error.message} (${job.error.code})`);
  const images = ended[0];
  if (!images) return undefined;
  const found = await call<{ items: { file: { url: string; type: string } | null }[] }>(
    `/api/v1/jobs/${images.id}/items?limit=50`,
  );
  const files = found.items.flatMap(({ file }) => file ?? []);
  return (files.find(({ type }) => type !== 'image/svg+xml') ?? files[0])?.url;
}

async function follow(first: Job, call: Api, screen: Screen, signal: AbortSignal): Promise<Job> {
  const began = Date.now();
  for (let job = first; ; job = await call<Job>(`/api/v1/jobs/${first.id}`)) {
    const over = ENDED.includes(job.state);
    screen.live(first.id, progressLine(job, Date.now() - began, screen), over);
    if (over) return job;
    await new Promise((resolve) => setTimeout(resolve, 250));
    signal.throwIfAborted();
  }
}

function progressLine({ source, state, counts, pages, waiting }: Job, ms: number, screen: Screen): string {
  const settled = counts.stored + counts.shared + counts.skipped + counts.failed;
  const total = counts.discovered;
  const filled = total === 0 ? 0 : Math.round((settled / total) * 20);
  const bar =
    screen.style(state === 'failed' ? 31 : 32, '█'.repeat(filled)) + screen.style(2, '░'.repeat(20 - filled));
  const parts = [
    `${counts.stored} stored`,
    ...(counts.shared > 0 ? [`${counts.shared} kept already`] : []),
    ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
    ...(counts.pending > 0 ? [`${counts.pending} to go`] : []),
    ...(pages.discovered > 0 ? [`${pages.done}/${pages.discovered} pages`] : []),
  ];
  const why = waiting ? ` (${waiting.reason})` : '';
  return `  ${source.padEnd(11)} ${bar} ${`${state}${why}`.padEnd(10)} ${parts.join(', ')}, ${(ms / 1000).toFixed(1)} s`;
}
