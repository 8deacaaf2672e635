/** The schedule and the period of a job that is asked for, checked against what its source says. */
import {
  InvalidSchedule,
  periodFaults,
  resolveSchedule,
  type AskedSchedule,
  type PlannedSchedule,
} from '@magpie/domain';
import type { SourceDocument } from '@magpie/store';
import { HttpProblem, type FieldError } from './problems.ts';

/**
 * When the job runs; null for one that runs once.
 * @param params as the job gets them, defaults filled in
 * @param prefix put before the names of parameters in errors
 * @throws HttpProblem `invalid_request`, naming the fields
 */
export function jobSchedule(
  source: Pick<SourceDocument, 'schedule' | 'period'>,
  params: Record<string, unknown>,
  asked: AskedSchedule | undefined,
  { prefix = '', now = Date.now() }: { prefix?: string; now?: number } = {},
): PlannedSchedule | null {
  const named = (field: string): string => (prefix === '' ? field : `${prefix}.${field}`);
  const refuse = (errors: FieldError[]): never => {
    throw new HttpProblem('invalid_request', undefined, { errors });
  };
  const faults = periodFaults(source.period, params);
  if (faults.length > 0) refuse(faults.map(({ field, message }) => ({ field: named(field), message })));
  try {
    return resolveSchedule(source, params, asked, now);
  } catch (error) {
    if (!(error instanceof InvalidSchedule)) throw error;
    return refuse(
      error.faults.map(({ field, message }) => ({
        field: field.startsWith('params.') ? named(field.slice('params.'.length)) : field,
        message,
      })),
    );
  }
}
