/** What a job measures is listed by one of its parameters, and kept apart from the others: there may be very many. */
import type { SourceDescription } from '@magpie/contracts';
import { MAX_TARGETS, targetKeys } from '@magpie/store';
import { HttpProblem } from './problems.ts';

/** Room for as many names as a job may have, in bytes of a body. */
export const TARGETS_BODY = 16 * 1024 * 1024;

/** So many wrong names are told. */
const MAX_TOLD = 20;

/**
 * Takes the list of what is measured out of a job's parameters: without doubles, in the form in which it is kept.
 * @param prefix put before the names of parameters in errors
 * @returns `targets` undefined where the source measures nothing, or the list is not among the parameters
 * @throws HttpProblem `invalid_request`, naming the entries that are no names
 */
export function takeTargets(
  { targets: terms }: Pick<SourceDescription, 'targets'>,
  params: Record<string, unknown>,
  prefix = '',
): { params: Record<string, unknown>; targets: string[] | undefined } {
  if (terms === undefined || !Array.isArray(params[terms.param])) return { params, targets: undefined };
  const { [terms.param]: listed, ...rest } = params;
  const field = prefix === '' ? terms.param : `${prefix}.${terms.param}`;
  const { keys, invalid } = targetKeys((listed as unknown[]).map(String));
  if (invalid.length > 0)
    throw new HttpProblem('invalid_request', undefined, {
      errors: invalid.slice(0, MAX_TOLD).map((place) => ({
        field: `${field}.${String(place)}`,
        message: 'must be a name, or an address that ends with one',
      })),
    });
  if (keys.length > MAX_TARGETS)
    throw new HttpProblem('invalid_request', undefined, {
      errors: [{ field, message: `must be at most ${String(MAX_TARGETS)}` }],
    });
  return { params: rest, targets: keys };
}
