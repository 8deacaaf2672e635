/** What is asked of an import, checked and settled: the upload, the mapping, and what its targets become. */
import { resolve } from 'node:path';
import type { CreateImport, SourceDescription } from '@magpie/contracts';
import { findJob, findSource, MAX_TARGETS, type ImportTargets, type TransferDocument } from '@magpie/store';
import type { FastifyInstance } from 'fastify';
import { carriedSchedule } from './job-plan.ts';
import { jobSchedule } from './job-schedule.ts';
import { HttpProblem, type FieldError } from './problems.ts';

/** A job gets no more addresses of a file: so a file of many is many jobs, which begin while it is read. */
const MOST_LISTED = 1000;

/** The database, or its driver, reads a meaning of its own from these. */
const UNKEPT = ['_bsontype', 'textIndexLanguage'];

export interface SettledImport {
  options: Record<string, unknown>;
  totalBytes: number | null;
}

/**
 * Checks all that can be checked before the file is read.
 * @throws HttpProblem `invalid_request`, `unknown_upload`, `upload_incomplete`, `upload_gone`, `unknown_source`,
 * `not_importable`, and what a job of that source is refused for
 */
export async function settleImport(app: FastifyInstance, wanted: CreateImport): Promise<SettledImport> {
  const faults = requestFaults(wanted);
  if (faults.length > 0) throw new HttpProblem('invalid_request', undefined, { errors: faults });
  const upload = await completedUpload(app, wanted.upload);
  const targets = wanted.as === 'targets' ? await settleTargets(app, wanted, upload.rows) : undefined;
  return {
    options: { ...wanted, ...(targets === undefined ? {} : { targets }) },
    totalBytes: upload.file?.bytes ?? null,
  };
}

/** What is wrong with a request whatever the file and the source are. */
function requestFaults(wanted: CreateImport): FieldError[] {
  const { as, mapping, header = true, encoding } = wanted;
  const faults: FieldError[] = [];
  const onlyOf = (other: string, ...fields: (keyof CreateImport)[]): void => {
    for (const field of fields)
      if (wanted[field] !== undefined) faults.push({ field, message: `is for ${other} alone` });
  };
  if (as === 'items') onlyOf('targets', 'params', 'schedule');
  else {
    onlyOf('items', 'kind');
    if (wanted.source === undefined) faults.push({ field: 'source', message: 'is required for targets' });
  }
  if (encoding !== undefined && !isEncoding(encoding))
    faults.push({ field: 'encoding', message: 'is not an encoding, such as utf-8 or windows-1252' });
  if (mapping === undefined) return faults;
  const needed = as === 'items' ? 'url' : 'target';
  if (!Object.hasOwn(mapping, needed))
    faults.push({ field: 'mapping', message: `must say where \`${needed}\` is` });
  for (const [field, column] of Object.entries(mapping)) {
    if (UNKEPT.includes(field)) faults.push({ field: `mapping.${field}`, message: 'cannot be kept' });
    if (as === 'targets' && field !== needed)
      faults.push({ field: `mapping.${field}`, message: 'is no field of targets: `target` is' });
    if (!header && typeof column === 'string')
      faults.push({ field: `mapping.${field}`, message: 'must be a number: the columns have no names' });
  }
  return faults;
}

function isEncoding(label: string): boolean {
  try {
    return new TextDecoder(label).encoding !== '';
  } catch {
    return false;
  }
}

async function completedUpload(app: FastifyInstance, id: string): Promise<TransferDocument> {
  const job = await findJob(app.store, id);
  const refuse = (code: 'unknown_upload' | 'upload_incomplete' | 'upload_gone', message: string): never => {
    throw new HttpProblem(code, undefined, { errors: [{ field: 'upload', message }] });
  };
  if (job?.transfer?.kind !== 'upload') return refuse('unknown_upload', 'is not the job of an upload');
  const { transfer } = job;
  const gone = transfer.expiresAt !== null && transfer.expiresAt.getTime() <= Date.now();
  if (gone) return refuse('upload_gone', 'has expired');
  if (job.state !== 'completed') return refuse('upload_incomplete', `is ${job.state}`);
  return transfer.file === null ? refuse('upload_gone', 'has no file any more') : transfer;
}

/** @param rows about how many there are, as far as is known: a schedule is planned for so many */
async function settleTargets(
  app: FastifyInstance,
  { source: id = '', params: given = {}, schedule: asked }: CreateImport,
  rows: number,
): Promise<ImportTargets> {
  const source = await findSource(app.store, id);
  const fits = source && targetsOf(source);
  if (source !== undefined && fits === undefined)
    throw new HttpProblem('not_importable', undefined, {
      errors: [{ field: 'source', message: 'has no one parameter that rows could fill' }],
    });
  const param = fits?.param ?? '';
  if (Object.hasOwn(given, param))
    throw new HttpProblem('invalid_request', undefined, {
      errors: [{ field: `params.${param}`, message: 'comes from the rows' }],
    });
  const { found, params } = await app.checkParams(id, given, { prefix: 'params', without: param });
  const { how, most } = fits as NonNullable<typeof fits>;
  const planned = how === 'measured' && rows > 0 ? { ...params, [param]: Math.min(rows, most) } : params;
  const { schedule, warnings } = await carriedSchedule(
    app.store,
    found,
    planned,
    jobSchedule(found, params, asked, { prefix: 'params' }),
  );
  return { source: id, how, param, most, params, schedule, warnings };
}

interface ParamKeywords {
  type?: string;
  maxItems?: number;
  items?: { type?: string; format?: string };
}

/**
 * What rows can be of a source's jobs: what they measure, their list of addresses, or their one text. Undefined where
 * it is none of these, or not clear which.
 */
export function targetsOf({
  params,
  targets,
}: Pick<SourceDescription, 'params' | 'targets'>): Pick<ImportTargets, 'how' | 'param' | 'most'> | undefined {
  const properties = (params['properties'] ?? {}) as Record<string, ParamKeywords>;
  const required = Array.isArray(params['required']) ? params['required'].map(String) : [];
  if (targets !== undefined) {
    const { maxItems = MAX_TARGETS } = properties[targets.param] ?? {};
    return { how: 'measured', param: targets.param, most: Math.min(MAX_TARGETS, maxItems) };
  }
  const those = (fits: (property: ParamKeywords) => boolean): string[] =>
    required.filter((name) => properties[name] !== undefined && fits(properties[name]));
  const lists = those(({ type, items }) => type === 'array' && items?.format === 'http-url');
  const [list] = lists;
  if (lists.length === 1 && list !== undefined) {
    const { maxItems = MOST_LISTED } = properties[list] ?? {};
    return { how: 'listed', param: list, most: Math.min(MOST_LISTED, maxItems) };
  }
  const texts = those(({ type }) => type === 'string');
  const [text] = texts;
  return lists.length === 0 && texts.length === 1 && text !== undefined
    ? { how: 'one', param: text, most: 1 }
    : undefined;
}

/** Where the list of an import's rejected rows is, below the directory of the data. */
export const rejectsPath = (data: string, id: string): string =>
  resolve(data, 'transfers', id, 'rejects.csv');
