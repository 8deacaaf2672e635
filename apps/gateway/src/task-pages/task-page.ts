import type { Job, JobAction } from '@magpie/contracts';
import { isEnded } from '@magpie/domain';
import type { ItemDocument, JobDocument } from '@magpie/store';
import { itemView, jobView } from '../views.ts';
import { html, webAddress, type Content, type Html } from './html.ts';
import { document, time } from './layout.ts';

/** What the page has buttons for. */
export const ACTIONS = ['pause', 'resume', 'stop', 'retry'] as const satisfies readonly JobAction[];
export type PageAction = (typeof ACTIONS)[number];

const BUTTONS: Record<PageAction, string> = {
  pause: 'Pause',
  resume: 'Resume',
  stop: 'Stop',
  retry: 'Try again what failed',
};
const REASONS: Record<NonNullable<Job['waiting']>['reason'], string> = {
  rate_limited: 'the provider wants fewer requests',
  keys_exhausted: 'no key may be used now',
  schedule: 'the next run is to come',
  host_backoff: 'the server wants a pause',
  disk_full: 'there is no space left for files',
};
const COUNTS: [keyof Job['counts'], string][] = [
  ['discovered', 'Found'],
  ['stored', 'Kept'],
  ['shared', 'Kept already'],
  ['pending', 'To be fetched'],
  ['skipped', 'Left out'],
  ['failed', 'Failed'],
];
/** Seconds. A job that only waits changes rarely. */
const REFRESH = { waiting: 60, other: 10 };
const CAPTION = 160;

export interface TaskPage {
  job: JobDocument;
  pictures: readonly ItemDocument[];
  /** Cursor of the following pictures. */
  next: string | null;
  /** Whether these are not the first pictures. */
  further: boolean;
  /** Whether somebody wants to read in peace. */
  still: boolean;
  /** Public address of nginx, without a slash at its end. */
  base: string;
  root: string;
}

/** A task's state, what came of it, and its pictures, the latest first. */
export function taskPage({ job, pictures, next, further, still, base, root }: TaskPage): string {
  const view = jobView(job, base);
  const tag = `#${String(job.params['tag'] ?? '').replace(/^[#\uFF03]/, '')}`;
  const here = `${root}/task/${job._id}/`;
  const live = !isEnded(job.state) && job.state !== 'paused';
  const refresh = view.state === 'waiting' ? REFRESH.waiting : REFRESH.other;
  return document({
    root,
    title: `${tag}: ${view.state}`,
    refresh: live && !still && !further ? refresh : undefined,
    body: html`<h1>${tag}</h1>
      <p role="status"><strong>${capital(view.state)}</strong>${view.waiting && waiting(view.waiting)}</p>
      ${view.error && html`<p class="error">${view.error.message} <code>${view.error.code}</code></p>`}
      ${view.warnings.map(({ message }) => html`<p class="error">${message}</p>`)}
      <div class="actions">
        ${ACTIONS.filter((action) => view.allowed.includes(action)).map(
          (action) =>
            html`<form method="post" action="${here}${action}"><button>${BUTTONS[action]}</button></form>`,
        )}
      </div>
      <dl>
        ${period(job)}
        ${
          job.coverage &&
          html`<dt>Seen of recent posts</dt>
            <dd>${time(job.coverage.from)} to ${time(job.coverage.to)}</dd>`
        }
        ${
          view.nextRunAt !== null &&
          html`<dt>Next run</dt>
            <dd>${time(view.nextRunAt)}</dd>`
        }
        ${
          view.runs > 0 &&
          html`<dt>Runs</dt>
            <dd>${view.runs}</dd>`
        }
        ${COUNTS.map(
          ([name, label]) =>
            html`<dt>${label}</dt>
              <dd>${view.counts[name]}</dd>`,
        )}
        <dt>Requests</dt>
        <dd>${view.requests}</dd>
      </dl>
      <p>
        ${live && !further && peace(here, still, refresh)}
        <a href="${root}/api/v1/jobs/${job._id}/items?kind=post">Posts</a> ·
        <a href="${root}/api/v1/jobs/${job._id}/errors">What failed</a> (JSON)
      </p>
      <h2 id="pictures">Pictures</h2>
      ${
        pictures.length === 0
          ? html`<p>None${further ? ' left' : live ? ' yet' : ''}.</p>`
          : html`<ul class="pictures">
              ${pictures.map((picture) => figure(picture, base))}
            </ul>`
      }
      <nav aria-label="Pictures">
        <p>
          ${further && html`<a href="${here}#pictures">Latest pictures</a>`}
          ${next !== null && html`<a rel="next" href="${here}?cursor=${encodeURIComponent(next)}#pictures">Older pictures</a>`}
        </p>
      </nav>`,
  });
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const waiting = ({ reason, until, detail }: NonNullable<Job['waiting']>): Html =>
  html`: ${REASONS[reason]}, until ${time(until)}${detail !== undefined && html`. ${detail}`}`;

function period({ params, schedule }: JobDocument): Content {
  const { start, end, timeZone } = params as Record<string, string | undefined>;
  const asked = [
    start === undefined ? 'all that is shown' : `from ${start}`,
    end === undefined ? 'until now' : `to ${end}`,
    ...(start === undefined && end === undefined ? [] : [`(${timeZone ?? 'UTC'})`]),
  ];
  return [
    html`<dt>Period</dt>
      <dd>${asked.join(' ')}</dd>`,
    schedule?.every &&
      html`<dt>Every</dt>
        <dd>${schedule.every}</dd>`,
  ];
}

const peace = (here: string, still: boolean, refresh: number): Html =>
  still
    ? html`This page is still. <a href="${here}">Load it again by itself</a>.`
    : html`This page loads again every ${refresh} seconds. <a href="${here}?still=true">Keep it still</a>.`;

function figure(item: ItemDocument, base: string): Html {
  const { data, page, file } = itemView(item, base);
  const { caption, timestamp } = data;
  const said = typeof caption === 'string' ? caption : '';
  const short = said.length > CAPTION ? `${said.slice(0, CAPTION).toWellFormed()}…` : said;
  const post = webAddress(page);
  const size = file?.width && file.height ? html` width="${file.width}" height="${file.height}"` : undefined;
  const at = typeof timestamp === 'string' && !Number.isNaN(Date.parse(timestamp)) ? timestamp : undefined;
  const picture =
    file &&
    html`<img src="${file.url}" alt="${short || 'A photo without a caption'}" loading="lazy" ${size} />`;
  return html`<li>
    <figure>
      ${post === undefined ? picture : html`<a href="${post}" rel="noopener noreferrer">${picture}</a>`}
      <figcaption>${short} ${at !== undefined && time(at)}</figcaption>
    </figure>
  </li>`;
}
