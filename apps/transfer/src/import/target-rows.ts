/** From a row to a target of a source, or to why it is none. Pure. */
import type { RowFault } from '@magpie/contracts';
import { canonicalUrl, checkUrlLiteral, targetKey, UrlError, type Cidr } from '@magpie/domain';
import type { ImportTargets } from '@magpie/store';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Detected, Row } from '../read/index.ts';
import { fault, targetColumn } from './fields.ts';
import type { ImportOptions } from './options.ts';

export interface TargetRow {
  /** Equal keys are one target. */
  key: string;
  /** As the job gets it. */
  value: string;
}

interface Keywords {
  description?: string;
  properties?: Record<string, Keywords>;
  items?: Keywords;
}

/**
 * @param params the schema of the source's parameters
 * @param allow private addresses that may be collected from
 * @throws TransferFault `missing_column`
 */
export function targetReader(
  options: ImportOptions & { targets: ImportTargets },
  detected: Detected,
  params: Record<string, unknown>,
  allow: readonly Cidr[] = [],
): (row: Row) => TargetRow | RowFault {
  const column = targetColumn(options, detected);
  const { how, param } = options.targets;
  const property = (params as Keywords).properties?.[param];
  const schema = (how === 'one' ? property : property?.items) ?? { type: 'string' };
  const validator = Compile(schema as TSchema);
  const { description } = (how === 'one' ? property : (property?.items ?? property)) ?? {};
  const whyNot = (text: string): string => {
    // A pattern is told in words where there are any.
    const rules = validator
      .Errors(text)
      .filter(({ keyword }) => keyword !== 'pattern' || description === undefined)
      .map(({ message }) => message);
    const taken = description === undefined ? [] : [`it takes “${description}”`];
    return ['is not what the source takes', [...rules, ...taken].join('; ')].join(': ');
  };
  const keyOf = how === 'measured' ? targetKey : how === 'one' ? wordKey : addressKey(allow);

  return ({ line, values }) => {
    const name = column(values);
    const given = name !== undefined && Object.hasOwn(values, name) ? values[name] : undefined;
    const text = typeof given === 'string' ? given.trim() : typeof given === 'number' ? String(given) : given;
    if (text === undefined || text === null || text === '')
      return fault(line, name ?? 'target', 'missing_value', 'is needed');
    const at = name ?? null;
    if (typeof text !== 'string') return fault(line, at, 'invalid_target', 'must be a text');
    try {
      // Of an address its own faults say more than those of the schema.
      const address = how === 'listed' ? keyOf(text) : undefined;
      if (!validator.Check(text)) return fault(line, at, 'invalid_target', whyNot(text));
      const key = address ?? keyOf(text);
      if (key === undefined)
        return fault(line, at, 'invalid_target', 'must be a name, or an address that ends with one');
      return { key, value: how === 'listed' ? key : text };
    } catch (error) {
      if (!(error instanceof UrlError)) throw error;
      return fault(line, at, error.code, error.message);
    }
  };
}

const addressKey =
  (allow: readonly Cidr[]) =>
  (text: string): string => {
    const url = canonicalUrl(text);
    checkUrlLiteral(url, allow);
    return url;
  };

/** Words are one but for case and a leading #. */
const wordKey = (text: string): string =>
  text
    .normalize('NFC')
    .toLowerCase()
    .replace(/^[#＃]/, '');
