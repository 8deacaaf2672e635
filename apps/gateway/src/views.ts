/** How documents look to clients. A link's error and a dead letter's text are scrubbed; an item is shown whole. */
import {
  rowFaultText,
  type DeadLetter,
  type Image,
  type ImagesTask,
  type Job,
  type JobError,
  type RowFault,
  type Run,
  type Source,
  type Text,
  type TextTask,
  type Transfer,
} from '@magpie/contracts';
import { allowedActions, formatDuration, redactText, redactUrl } from '@magpie/domain';
import {
  fileUrl,
  type DeadLetterDocument,
  type ItemDocument,
  type JobDocument,
  type LinkDocument,
  type RunDocument,
  type ScheduleDocument,
  type SourceDocument,
  type TransferDocument,
} from '@magpie/store';

export { itemView } from '@magpie/store';

const iso = (at: Date): string => at.toISOString();
const errorView = ({ error }: JobDocument): Job['error'] =>
  error === null ? null : { code: error.code, message: redactText(error.message) };

const isoOrNull = (at: Date | null): string | null => (at === null ? null : at.toISOString());

export const scheduleView = ({
  every,
  cron,
  timeZone,
  until,
  jitterMs,
  asked,
}: ScheduleDocument): NonNullable<Job['schedule']> => ({
  every,
  cron,
  timeZone,
  until: isoOrNull(until),
  jitter: jitterMs === 0 ? null : formatDuration({ months: 0, days: 0, ms: jitterMs }),
  asked,
});

/** @param base public address of nginx, without a slash at its end */
export const transferView = (
  { kind, bytes, totalBytes, rows, totalRows, rate, file, expiresAt, options, report }: TransferDocument,
  state: JobDocument['state'],
  base: string,
): Transfer => ({
  kind,
  bytes,
  totalBytes,
  rows,
  totalRows,
  // Whoever worked on it last wrote how fast it went then.
  bytesPerSecond: state === 'running' ? rate.bytes : 0,
  rowsPerSecond: state === 'running' ? rate.rows : 0,
  file:
    file === null
      ? null
      : {
          name: file.name,
          type: file.type,
          bytes: file.bytes,
          sha256: file.sha256,
          url: file.path.startsWith('files/') ? encodeURI(`${base}/${file.path}`) : null,
        },
  expiresAt: isoOrNull(expiresAt),
  options,
  report: reportView(report, base),
});

/** The address of what is there to be read, in full as every other. */
const reportView = (
  { rejects, ...report }: TransferDocument['report'],
  base: string,
): Transfer['report'] => ({
  ...report,
  ...(typeof rejects === 'string' && report['expired'] !== true ? { rejects: `${base}${rejects}` } : {}),
});

/** @param base public address of nginx, without a slash at its end */
export const jobView = (job: JobDocument, base: string): Job => ({
  id: job._id,
  source: job.source,
  params: job.params,
  priority: job.priority,
  state: job.state,
  waiting:
    job.waiting === null
      ? null
      : {
          reason: job.waiting.reason,
          until: iso(job.waiting.until),
          ...(job.waiting.detail === undefined ? {} : { detail: redactText(job.waiting.detail) }),
        },
  epoch: job.epoch,
  counts: job.counts,
  pages: job.pages,
  error: errorView(job),
  schedule: job.schedule === null ? null : scheduleView(job.schedule),
  runs: job.runs,
  nextRunAt: isoOrNull(job.nextRunAt),
  targets: job.targets,
  ...job.tally,
  stopWhenExhausted: job.stopWhenExhausted,
  warnings: job.warnings,
  transfer: job.transfer === undefined ? null : transferView(job.transfer, job.state, base),
  allowed: allowedActions(job.state, job.transfer),
  createdAt: iso(job.createdAt),
  startedAt: isoOrNull(job.startedAt),
  endedAt: isoOrNull(job.endedAt),
  updatedAt: iso(job.updatedAt),
  rev: job.rev,
});

export const runView = ({
  number,
  state,
  reason,
  dueAt,
  startedAt,
  endedAt,
  missed,
  counts,
}: RunDocument): Run => ({
  number,
  state,
  reason,
  dueAt: iso(dueAt),
  startedAt: isoOrNull(startedAt),
  endedAt: isoOrNull(endedAt),
  missed,
  counts,
});

export const jobErrorView = (link: LinkDocument): JobError => ({
  kind: link.kind,
  url: redactUrl(link.url),
  code: link.error?.code ?? (link.state === 'skipped' ? 'filtered' : 'source_error'),
  message: redactText(link.error?.message ?? ''),
  attempt: link.error?.attempt ?? 1,
  ...(link.error?.status === undefined ? {} : { status: link.error.status }),
  at: iso(link.error?.at ?? new Date(Math.floor(link.order / 4096))),
});

/** Rows that an import left out, as far as its report tells them. */
export const rowErrorsView = ({ firstErrors = [] }: { firstErrors?: RowFault[] }, at: Date): JobError[] =>
  firstErrors.map((fault) => ({
    kind: 'row',
    url: '',
    code: fault.code,
    message: rowFaultText(fault),
    attempt: 1,
    at: iso(at),
  }));

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

export const imageView = (item: ItemDocument, base: string): Image => ({
  id: item._id,
  url: item.url,
  static_url: item.file === undefined ? '' : fileUrl(base, item.file.path),
  type: item.file?.type ?? '',
  width: item.file?.width ?? null,
  height: item.file?.height ?? null,
  bytes: item.file?.bytes ?? 0,
  sha256: item.file?.sha256 ?? '',
  alt: text(item.data['alt']),
  page: item.page,
  stored_at: iso(item.storedAt),
});

export const textView = ({ _id, url, data, storedAt }: ItemDocument): Text => {
  const body = text(data['text']) ?? '';
  const words = data['wordCount'];
  return {
    id: _id,
    url,
    title: text(data['title']),
    text: body,
    markdown: text(data['markdown']) ?? '',
    language: text(data['language']),
    byline: text(data['byline']),
    published_at: text(data['publishedAt']),
    word_count: typeof words === 'number' ? words : body.split(/\s+/).filter((word) => word !== '').length,
    stored_at: iso(storedAt),
  };
};

const taskFields = (job: JobDocument, base: string) => ({
  id: job._id,
  state: job.state,
  urls: Array.isArray(job.params['urls']) ? (job.params['urls'] as string[]) : [],
  counts: job.counts,
  pages: job.pages,
  error: errorView(job),
  created_at: iso(job.createdAt),
  updated_at: iso(job.updatedAt),
  ended_at: isoOrNull(job.endedAt),
  job_url: `${base}/api/v1/jobs/${job._id}`,
});

export const imagesTaskView = (job: JobDocument, base: string): ImagesTask => ({
  ...taskFields(job, base),
  images_url: `${base}/images_tasks/${job._id}/images`,
});

export const textTaskView = (job: JobDocument, base: string): TextTask => ({
  ...taskFields(job, base),
  text_url: `${base}/text_tasks/${job._id}/text`,
});

export const sourceView = ({ _id, lastSeenAt, ...description }: SourceDocument): Source => ({
  id: _id,
  ...description,
  lastSeenAt: iso(lastSeenAt),
});

/** So much of a dead letter's message is shown, in characters. */
const MAX_TEXT = 4000;

/** What a key is sealed to is of use to its collector alone. */
const SEALED = /("sealed"\s*:\s*")[^"]*/g;

export function deadLetterView(letter: DeadLetterDocument): DeadLetter {
  const bytes = Buffer.from(letter.body, 'base64');
  return {
    id: letter._id,
    reason: letter.reason,
    error: letter.error === undefined ? null : redactText(letter.error),
    exchange: letter.exchange,
    routingKey: letter.routingKey,
    type: letter.type ?? null,
    consumer: letter.consumer ?? null,
    headers: letter.headers,
    bytes: bytes.length,
    text: redactText(bytes.subarray(0, MAX_TEXT).toString('utf8')).replace(SEALED, '$1…'),
    at: iso(letter.at),
  };
}
