/** Files that the platform itself has exported, on their way back in. Pure. */
import { originalText } from '@magpie/domain';

/** Fields of an exported item that an import brings; `data.<name>` too. */
const BROUGHT: ReadonlySet<string> = new Set(['kind', 'url', 'page', 'data']);
/** What the platform gives each item by itself; `file.<name>` too. */
const MADE: ReadonlySet<string> = new Set([
  'id',
  'finalUrl',
  'source',
  'file',
  'revision',
  'storedAt',
  'checkedAt',
]);
/** A table of somebody else's may well have an id and an address; these it has not by chance. */
const TELLING = /^(?:data(?:\..+)?|file\..+|storedAt|checkedAt)$/;

const isBrought = (name: string): boolean => BROUGHT.has(name) || name.startsWith('data.');
const isMade = (name: string): boolean => MADE.has(name) || name.startsWith('file.');

/** Whether columns, or the names of an object, are those of an export: none but its fields, and one that tells. */
export const isOwnExport = (names: readonly string[]): boolean =>
  names.every((name) => isBrought(name) || isMade(name)) && names.some((name) => TELLING.test(name));

/** Those that an import brings, of the columns of an export; all, of anything else. */
export const broughtOf = (names: readonly string[]): readonly string[] =>
  isOwnExport(names) ? names.filter(isBrought) : names;

/**
 * What a cell of an exported table held: `data` is JSON, and text that a spreadsheet would run has an apostrophe in front.
 * Undefined when `data` begins as JSON does and is none.
 */
export function exportedCell(field: string, cell: string): unknown {
  if (field !== 'data' || !cell.startsWith('{')) return originalText(cell);
  try {
    return JSON.parse(cell);
  } catch {
    return undefined;
  }
}
