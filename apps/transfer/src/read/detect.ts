/** What a file is: its compression, encoding, format, delimiter and columns. */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { readBytes } from './bytes.ts';
import { CsvReader } from './csv.ts';
import { guessDelimiter, guessJson } from './delimiter.ts';
import { guessEncoding, leavesOpen, type Encoding } from './encoding.ts';
import { isBinary, knownKind } from './magic.ts';
import { ReadFault, START, type Detected, type ReadOptions } from './row.ts';
import { byteOrderMark, decoderOf, encodingName, readText } from './text.ts';

const SAMPLE = 64 * 1024;
/** Characters of a column's name; a mapping names no longer one. */
const MAX_NAME = 200;
const PLACES = 16;
const LF = 0x0a;

/**
 * Looks at the first 64 KiB (decompressed), and of tables at the first row, and says what the file is.
 * @throws ReadFault not_a_table, empty_file, unknown_encoding, bad_gzip, bad_delimiter, bad_header,
 *   too_many_columns, too_large
 */
export async function detect(path: string, options: ReadOptions): Promise<Detected> {
  const { limits } = options;
  const name = options.name ?? basename(path);
  const raw = await sample(path, false, limits.maxBytes);
  if (raw.head.length === 0) throw new ReadFault('empty_file', 'The file is empty');
  const gzip = raw.head[0] === 0x1f && raw.head[1] === 0x8b;
  const { head, complete } = gzip ? await sample(path, true, limits.maxBytes) : raw;
  if (head.length === 0) throw new ReadFault('empty_file', 'The file is empty when decompressed');

  const kind = knownKind(head);
  if (
    kind !== undefined &&
    !(options.format !== undefined && / (page|document)$/.test(kind) && !/PDF/.test(kind))
  )
    throw new ReadFault('not_a_table', `The file is ${kind}`);

  const given = options.encoding === undefined ? undefined : encodingName(options.encoding);
  const known = byteOrderMark(head)?.encoding ?? given;
  const { encoding, guessed } =
    known === undefined ? await encodingOf(path, head, complete, gzip) : { encoding: known };
  const narrow = !encoding.startsWith('utf-16');
  if (narrow && isBinary(head))
    throw new ReadFault('not_a_table', 'The file is binary, of a kind that is not known');

  const text = textOf(head, encoding, complete);
  if (text.trim() === '')
    throw new ReadFault(
      'empty_file',
      complete ? 'The file is blank' : `The first ${SAMPLE / 1024} KiB are blank`,
    );

  let { format } = options;
  if (format === undefined) {
    const json = guessJson(text, name);
    if (json === 'object')
      throw new ReadFault(
        'not_a_table',
        'The file is one JSON object, not a list of rows: take the array out of it',
      );
    format = json;
  }
  const guess = guessed === undefined ? {} : { guessed };
  if (format === 'ndjson' || format === 'json')
    return { format, gzip, encoding, ...guess, header: false, columns: null };

  const told = format === 'tsv' ? undefined : /^sep=(.)$/iu.exec(text.split(/[\r\n]/, 1).join(''))?.[1];
  const sep = told !== undefined && (options.delimiter ?? told) === told ? { sep: true } : {};
  const delimiter = options.delimiter ?? told ?? (format === 'tsv' ? '\t' : guessDelimiter(text));
  format ??= delimiter === '\t' ? 'tsv' : 'csv';
  const first = await firstRow(path, { gzip, encoding, delimiter, ...sep }, options);
  const header = options.header ?? !isData(first);
  const columns = header ? columnNames(first) : first.map((_, i) => String(i + 1));
  return { format, gzip, encoding, ...guess, delimiter, ...sep, header, columns };
}

const never = new AbortController().signal;

async function sample(
  path: string,
  gzip: boolean,
  maxBytes: number,
): Promise<{ head: Buffer; complete: boolean }> {
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const { bytes } of readBytes(path, { gzip, from: 0, maxBytes, signal: never })) {
      pieces.push(Buffer.from(bytes.subarray(0, SAMPLE)));
      length += bytes.length;
      if (length > SAMPLE) break;
    }
  } catch (error) {
    // Damage further on is told when it is met: what comes before is read.
    if (!(error instanceof ReadFault && error.code === 'bad_gzip' && length > 0)) throw error;
    return { head: Buffer.concat(pieces).subarray(0, SAMPLE), complete: false };
  }
  return { head: Buffer.concat(pieces).subarray(0, SAMPLE), complete: length <= SAMPLE };
}

/** Where the beginning is ASCII the encoding is asked of places all over the file; of a compressed one it cannot be. */
async function encodingOf(path: string, head: Buffer, complete: boolean, gzip: boolean): Promise<Encoding> {
  if (complete || gzip || !leavesOpen(head)) return guessEncoding(head, complete);
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const lines: Buffer[] = [];
    for (let i = 1; i <= PLACES; i++) {
      const place = Buffer.alloc(SAMPLE);
      const from = Math.max(0, Math.floor((size * i) / PLACES) - SAMPLE);
      const { bytesRead } = await file.read(place, 0, SAMPLE, from);
      const read = place.subarray(0, bytesRead);
      lines.push(read.subarray(read.indexOf(LF) + 1, read.lastIndexOf(LF) + 1));
    }
    return guessEncoding(Buffer.concat(lines), true);
  } finally {
    await file.close();
  }
}

// Without a last line that is cut off.
function textOf(head: Buffer, encoding: string, complete: boolean): string {
  const mark = byteOrderMark(head);
  const decoder = decoderOf(encoding);
  const text = decoder.decode(mark?.encoding === encoding ? head.subarray(mark.length) : head).toString();
  if (complete) return text;
  const last = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r'));
  return last < 0 ? text : text.slice(0, last + 1);
}

type Table = Required<Pick<Detected, 'gzip' | 'encoding' | 'delimiter'>> & Pick<Detected, 'sep'>;

/** That begins with an address or, in a file of one column, with a hashtag: no column bears such a name. */
function isData([first = '', ...others]: readonly string[]): boolean {
  const cell = first.trim();
  return (/^https?:\/\//i.test(cell) && URL.canParse(cell)) || (others.length === 0 && HASHTAG.test(cell));
}
const HASHTAG = /^[#＃][\p{L}\p{M}\p{N}_]+$/u;

async function firstRow(
  path: string,
  table: Table,
  { limits, header = true }: ReadOptions,
): Promise<string[]> {
  const { delimiter, sep = false } = table;
  const reader = new CsvReader({ delimiter, columns: null, header: false, sep, limits }, START);
  for await (const { bytes } of readText(path, table, {
    from: 0,
    maxBytes: limits.maxBytes,
    signal: never,
  })) {
    reader.take(bytes);
    if (reader.heads.length > 0) break;
  }
  if (reader.heads.length === 0) reader.finish();
  // Without a header a first row that is bad says nothing of the others.
  const first = header
    ? reader.heads[0]
    : (reader.heads.find((head) => Array.isArray(head)) ?? reader.heads[0]);
  if (first === undefined) throw new ReadFault('empty_file', 'The file has no rows');
  if (!Array.isArray(first)) {
    const { code, message, line } = first.fault;
    if (code === 'too_many_columns')
      throw new ReadFault(code, `The first row has more than ${limits.maxColumns} cells`);
    throw new ReadFault('bad_header', `The first row, in line ${line}, cannot be read (${code}): ${message}`);
  }
  return first;
}

/**
 * Names as they stand, without blanks around them, and cut off where a mapping could not name them; what is empty is called by its number, what is not unique
 * numbered.
 */
export function columnNames(cells: readonly string[]): string[] {
  const names = cells.map((cell) => cell.trim().slice(0, MAX_NAME).toWellFormed().trimEnd());
  if (names.every((name) => name === '')) throw new ReadFault('bad_header', 'The first row names no column');
  const taken = new Set<string>();
  // What stands in the file keeps its name; only what is made up gives way.
  const given = new Set(names);
  return names.map((name, i) => {
    const usable = name === '' || name === '__proto__' ? String(i + 1) : name;
    let unique = usable;
    for (let n = 2; taken.has(unique) || (unique !== name && given.has(unique)); n++)
      unique = `${usable}_${n}`;
    taken.add(unique);
    return unique;
  });
}
