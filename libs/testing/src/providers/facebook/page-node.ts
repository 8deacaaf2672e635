/**
 * GET /{page}: one page's node as JSON text.
 *
 * https://developers.facebook.com/docs/graph-api/reference/page: asked by id or username; only the fields that are
 * asked for are answered, and always `id`; without `fields` name and id. `fan_count` of a page with the new pages
 * experience is its followers' count. Public data of published pages needs an app or user token and a feature.
 */
import type { FaultAnswer } from '../faults.ts';
import { fieldUnknown, objectUnknown } from '../graph/errors.ts';
import {
  idsRemoved,
  migrated,
  personsName,
  restricted,
  throttled,
  unknownAlias,
  unsupportedMethod,
} from './page-errors.ts';
import type { Pages } from './pages.ts';

/** How a changed field comes instead of a number. */
export type ChangedType = 'string' | 'negative' | 'null' | 'missing';

/** The JSON text of the node, or why there is none. */
export function readPage(
  pages: Pages,
  name: string,
  fields: readonly string[],
  changed?: ChangedType,
): string | FaultAnswer {
  const byId = /^\d/.test(name);
  const index = pages.find(name);
  if (index === undefined) return byId ? objectUnknown(name) : unknownAlias(name);
  const state = pages.stateAt(index);
  if (state !== 'active') {
    const page = pages.at(index);
    if (state === 'renamed' && !byId && name.toLowerCase() !== page.username.toLowerCase())
      return unknownAlias(name);
    if (state === 'merged') return migrated(page.id, page.to as string);
    if (state === 'unpublished') return objectUnknown(name);
    if (state === 'deleted') return byId ? objectUnknown(name) : unknownAlias(name);
    if (state === 'profile') return byId ? objectUnknown(name) : personsName(name);
    if (state === 'restricted') return restricted(page.code);
    if (state === 'throttled') return throttled(page.code ?? 32);
  }
  let fans = -1;
  let text = '{';
  let hasId = false;
  for (const field of fields.length === 0 ? DEFAULT_FIELDS : fields) {
    const before = text.length;
    if (before > 1) text += ',';
    if (field === 'fan_count' || field === 'followers_count') {
      if (fans < 0) fans = pages.fansAt(index);
      const count = field === 'fan_count' ? fans : pages.followersAt(index, fans);
      if (changed === 'missing') text = text.slice(0, before);
      else text += `"${field}":${changed === undefined ? count : changeType(count, changed)}`;
    } else if (field === 'id') {
      hasId = true;
      text += `"id":"${pages.idAt(index)}"`;
    } else {
      const value = otherField(pages, index, field);
      if (value === undefined) return fieldUnknown(field, 'Page');
      text += `"${field}":${value}`;
    }
  }
  return `${text}${hasId ? '' : `${text.length > 1 ? ',' : ''}"id":"${pages.idAt(index)}"`}}`;
}

const DEFAULT_FIELDS = ['name', 'id'];

function changeType(count: number, changed: 'string' | 'negative' | 'null'): string {
  if (changed === 'string') return `"${count}"`;
  return changed === 'negative' ? `-${count}` : 'null';
}

/** Slashes and characters beyond ASCII are escaped in the answers of this API. */
function otherField(pages: Pages, index: number, field: string): string | undefined {
  switch (field) {
    case 'name':
      return escaped(pages.nameAt(index));
    case 'username':
      return escaped(pages.at(index).username);
    case 'link':
      return escaped(`https://www.facebook.com/${pages.at(index).username}`);
    case 'category':
      return escaped(pages.categoryAt(index));
    case 'is_published':
      return 'true';
    case 'verification_status':
      return index % 10 === 0 ? '"blue_verified"' : '"not_verified"';
    case 'has_transitioned_to_new_page_experience':
      return String(pages.hasNewExperience(index));
    default:
      return undefined;
  }
}

function escaped(text: string): string {
  return JSON.stringify(text)
    .replaceAll('/', '\\/')
    .replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export interface Target {
  readonly node: string;
  readonly fields: readonly string[];
  readonly token: string | undefined;
}

/** Queries repeat from call to call: each is taken apart once. */
const queries = new Map<string, { fields: string[]; token: string | undefined; ids: boolean }>();
const MAX_QUERIES = 500;

/**
 * Takes a path with query apart, with or without a leading slash and a version.
 * https://developers.facebook.com/docs/graph-api/batch-requests: an operation's own `access_token` goes before the
 * call's, which is its fallback.
 */
export function targetOf(method: string, relativeUrl: string): Target | FaultAnswer {
  const mark = relativeUrl.indexOf('?');
  const query = readQuery(mark < 0 ? '' : relativeUrl.slice(mark + 1));
  let path = mark < 0 ? relativeUrl : relativeUrl.slice(0, mark);
  if (path.startsWith('/')) path = path.slice(1);
  if (path.endsWith('/')) path = path.slice(0, -1);
  path = path.replace(/^v\d+\.\d+(\/|$)/, '');
  if (query.ids) return idsRemoved();
  if (method !== 'GET' || path === '') return unsupportedMethod(method);
  const slash = path.indexOf('/');
  if (slash >= 0) return fieldUnknown(path.slice(slash + 1), 'Page');
  return { node: path.includes('%') ? decoded(path) : path, fields: query.fields, token: query.token };
}

function readQuery(text: string): { fields: string[]; token: string | undefined; ids: boolean } {
  const known = queries.get(text);
  if (known !== undefined) return known;
  const parameters = new URLSearchParams(text);
  const query = {
    fields: (parameters.get('fields') ?? '')
      .split(',')
      .map((field) => field.trim())
      .filter((field) => field !== ''),
    token: parameters.get('access_token') ?? undefined,
    ids: parameters.has('ids'),
  };
  if (queries.size >= MAX_QUERIES) queries.clear();
  queries.set(text, query);
  return query;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
