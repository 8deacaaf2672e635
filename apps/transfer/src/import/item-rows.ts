/** From a row to an item, or to why it is none. Pure. */
import type { RowFault } from '@magpie/contracts';
import { canonicalUrl, hostKey, idOf, searchTerms, UrlError } from '@magpie/domain';
import type { Detected } from '../read/index.ts';
import { fault, itemFields } from './fields.ts';
import type { ImportOptions } from './options.ts';
import { exportedCell, isOwnExport } from './own-export.ts';
import type { Sink } from './sink.ts';

/** An item as a row says it. */
export interface ItemRow {
  /** By kind and canonical URL, as everywhere. */
  id: string;
  /** Its number in the file, from 1. */
  row: number;
  kind: string;
  url: string;
  /** Host and port. */
  host: string;
  page: string | null;
  data: Record<string, unknown>;
  terms?: string[];
}

/** By the kind of item: the fields of its data whose words are searched for by their beginnings. */
export type Searchable = Record<string, string[]>;

const KIND = /^[a-z][a-z0-9-]{0,39}$/;
const MAX_DEPTH = 32;
const MAX_SIZE = 1024 * 1024;
/** Of a video: lists of videos go by them, so each is one value. */
const SINGLE = ['publishedAt', 'channelId'];
/** The database, or its driver, would read its own meaning from it, or fail. */
const FORBIDDEN = ['__proto__', 'textIndexLanguage', '_bsontype'];

/** @throws TransferFault `missing_column` */
export function itemReader(
  options: ImportOptions,
  detected: Detected,
  searchable: Searchable = {},
): Sink<ItemRow>['read'] {
  const fields = itemFields(options, detected);
  const isText = detected.columns !== null;
  const isOwnTable = options.mapping === undefined && detected.header && isOwnExport(detected.columns ?? []);
  const defaultKind = options.kind ?? 'page';

  return ({ line, values }, row) => {
    let url: string | undefined;
    let page: string | null = null;
    let kind = defaultKind;
    let urlColumn: string | null = 'url';
    let size = 0;
    const data: Record<string, unknown> = {};
    for (const { field, column } of fields(values)) {
      let value = Object.hasOwn(values, column) ? values[column] : undefined;
      if (value === undefined || value === null || (isText && value === '')) continue;
      if (isOwnTable) {
        value = exportedCell(field, value as string);
        if (value === undefined) return fault(line, column, 'invalid_field', 'is not JSON');
      }
      if (field === 'url' || field === 'page') {
        const read = addressOf(value, line, column);
        if (typeof read === 'object') return read;
        if (field === 'page') page = read;
        else {
          url = read;
          urlColumn = column;
        }
      } else if (field === 'kind') {
        if (typeof value !== 'string' || !KIND.test(value))
          return fault(line, column, 'invalid_kind', 'must be lower-case letters, digits and hyphens');
        kind = value;
      } else {
        const known = keep(data, field, value, line, column);
        if (typeof known === 'object') return known;
        size += known;
      }
    }
    if (url === undefined) return fault(line, urlColumn, 'missing_value', 'is needed');
    if (size > MAX_SIZE) return fault(line, null, 'row_too_large', 'has more than 1 MiB');
    if (kind === 'video')
      for (const name of SINGLE)
        if (typeof data[name] === 'object')
          return fault(line, name, 'invalid_field', 'must be one value in a video');
    const words = (searchable[kind] ?? []).flatMap((name) =>
      typeof data[name] === 'string' ? [data[name]] : [],
    );
    return {
      id: idOf(kind, url),
      row,
      kind,
      url,
      host: hostKey(url),
      page,
      data,
      ...(searchable[kind] === undefined ? {} : { terms: searchTerms(...words) }),
    };
  };
}

function addressOf(value: unknown, line: number, column: string): string | RowFault {
  if (typeof value !== 'string') return fault(line, column, 'invalid_url', 'must be a text');
  try {
    return canonicalUrl(value);
  } catch (error) {
    if (!(error instanceof UrlError)) throw error;
    return fault(line, column, error.code, error.message);
  }
}

/**
 * Puts a field into the data; `data` itself and `data.<name>`, as an export writes them, mean what is in it, and
 * `data.<name>.<name>` what is within that.
 */
function keep(
  data: Record<string, unknown>,
  field: string,
  value: unknown,
  line: number,
  column: string,
): number | RowFault {
  const weighed = typeof value === 'string' ? value.length : sizeOf(value, 1);
  if (typeof weighed === 'string') return fault(line, column, 'invalid_field', weighed);
  if (field === 'data' && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    Object.assign(data, value);
    return weighed;
  }
  const wrong = put(data, field.startsWith('data.') ? pathOf(field.slice('data.'.length)) : [field], value);
  return wrong === undefined ? weighed : fault(line, column, 'invalid_field', wrong);
}

function pathOf(name: string): string[] {
  const path = name.split('.');
  return path.includes('') ? [name] : path;
}

/** Gives why it cannot be there. */
function put(data: Record<string, unknown>, path: readonly string[], value: unknown): string | undefined {
  if (path.length > MAX_DEPTH) return `is nested deeper than ${String(MAX_DEPTH)} levels`;
  let at = data;
  for (const [i, name] of path.entries()) {
    const wrong = nameFault(name);
    if (wrong !== undefined) return wrong;
    if (i === path.length - 1) at[name] = value;
    else {
      const within = Object.hasOwn(at, name) ? at[name] : (at[name] = {});
      if (typeof within !== 'object' || within === null || Array.isArray(within))
        return `is within \`${name}\`, which has another value`;
      at = within as Record<string, unknown>;
    }
  }
  return undefined;
}

const nameFault = (name: string): string | undefined =>
  FORBIDDEN.includes(name) || name.includes('\0') ? 'bears a name that cannot be kept' : undefined;

/** About how many characters it has; a text, when it cannot be kept. */
function sizeOf(value: unknown, depth: number): number | string {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  if (depth >= MAX_DEPTH) return `is nested deeper than ${String(MAX_DEPTH)} levels`;
  let size = 2;
  const names = Array.isArray(value) ? undefined : Object.keys(value);
  for (const name of names ?? []) {
    const wrong = nameFault(name);
    if (wrong !== undefined) return `has a field within that ${wrong}`;
    size += name.length;
  }
  for (const part of Object.values(value)) {
    const known = sizeOf(part, depth + 1);
    if (typeof known === 'string') return known;
    size += known;
  }
  return size;
}
