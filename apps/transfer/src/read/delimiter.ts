/** What stands between the cells of a table, and whether a text is a table or JSON. */
import type { ImportFormat } from '@magpie/contracts';
import { CsvReader } from './csv.ts';
import { START } from './row.ts';

// Where several fit equally well, the one that text itself has less of.
const DELIMITERS = ['\t', ';', '|', ','];
const ROWS = 200;

/** The delimiter that cuts most rows, the first among them, into the same number of cells: two at least. */
export function guessDelimiter(text: string): string {
  let best = ',';
  let fit = 0.5;
  for (const delimiter of DELIMITERS) {
    const counts = cellCounts(text, delimiter);
    const [first] = counts;
    if (first === undefined || first < 2) continue;
    const share = counts.filter((count) => count === first).length / counts.length;
    if (share > fit) [best, fit] = [delimiter, share];
  }
  return best;
}

// Rows whose quotes are wrong count as rows of no cell: with another delimiter they may be right.
function cellCounts(text: string, delimiter: string): number[] {
  const limits = { maxColumns: 100_000, maxCell: Infinity, maxLine: Infinity };
  const reader = new CsvReader({ delimiter, columns: null, header: false, limits }, START);
  reader.take(Buffer.from(text));
  if (reader.heads.length === 0) reader.finish();
  return reader.heads.slice(0, ROWS).map((head) => (Array.isArray(head) ? head.length : 0));
}

/** What JSON it is, by its first lines; `object` is one that is no row, but spread over lines. */
export function guessJson(text: string, name: string): ImportFormat | 'object' | undefined {
  const begin = text.trimStart();
  const table = /\.(csv|tsv|tab)(\.gz)?$/i.test(name);
  if (/^\[\s*[{\]]/.test(begin)) return 'json';
  if (/^\[\s*(?:$|["[\-\d]|true|false|null)/.test(begin) && !table) return 'json';
  const lines = begin.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 1 && isWrapped(begin)) return 'object';
  const objects = lines.filter(isObject).length;
  if (objects * 2 > lines.length || (objects > 0 && begin.startsWith('{'))) return 'ndjson';
  if (table) return undefined;
  if (/\.(ndjson|jsonl)(\.gz)?$/i.test(name)) return 'ndjson';
  if (/^\{\s*(?:"|\}|$)/.test(begin)) return lines.length > 1 ? 'object' : 'ndjson';
  return /\.json(\.gz)?$/i.test(name) ? 'json' : undefined;
}

/** One object that holds a list of objects, and no text: the rows are within it. */
function isWrapped(text: string): boolean {
  if (!text.startsWith('{')) return false;
  try {
    const values = Object.values(JSON.parse(text) as object);
    return (
      values.some((value) => Array.isArray(value) && typeof value[0] === 'object') &&
      !values.some((value) => typeof value === 'string')
    );
  } catch {
    return false;
  }
}

function isObject(line: string): boolean {
  if (!line.trimStart().startsWith('{')) return false;
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
