/** Files that are no good, uploaded and imported as a user does it: each gets a clear answer, in little memory. */
import { readFile } from 'node:fs/promises';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import type { CreateImport, Job } from '@magpie/contracts';
import { addsUp, World } from './world.ts';

jest.setTimeout(600_000);

const MB = 1024 * 1024;

let world: World;
/** The service that reads them all. */
let reader: number | undefined;
const readerNow = (): number | undefined => world.platform.processes.get('transfer-1')?.pid;
beforeAll(async () => {
  world = await World.make({ env: { MAGPIE_DISK_RESERVE: '0' } });
  reader = readerNow();
});
afterAll(() => world?.close());

const row = (i: number): string => `https://example.org/${String(i)},Straße ${String(i)}`;
const rows = (count: number): string => Array.from({ length: count }, (_, i) => row(i)).join('\n');
const table = (...lines: string[]): string => `url,title\n${lines.join('\n')}\n`;
const utf16be = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();
/** `before` and then so many bytes of one sort, as gzip members one after another: made in a moment, of any size. */
const bomb = (before: string, byte: number, bytes: number): Buffer => {
  const member = gzipSync(Buffer.alloc(64 * MB, byte));
  const members = Array.from({ length: bytes / (64 * MB) }, () => member);
  return Buffer.concat([gzipSync(before), ...members]);
};

type Content = string | Buffer;
type Told =
  { completed: Record<string, number>; reasons?: Record<string, number> } | { failed: string; kept?: number };
type Case = [what: string, name: string, content: () => Content, told: Told, asked?: Partial<CreateImport>];

const good = (stored: number, reasons?: Record<string, number>): Told => ({
  completed: { stored, failed: Object.values(reasons ?? {}).reduce((sum, count) => sum + count, 0) },
  ...(reasons ? { reasons } : {}),
});

const CASES: Case[] = [
  [
    'a quote that is never closed',
    'a.csv',
    () => table(row(1), 'https://example.org/x,"open', row(2), row(3)),
    good(3, { bad_quote: 1 }),
  ],
  [
    'unbalanced quotes all over',
    'a.csv',
    () => table(row(1), '"https://example.org/x,a"b', 'https://example.org/y,a"', row(2), '"""', row(3)),
    good(3, { bad_quote: 3 }),
  ],
  ['NULs', 'a.csv', () => table(row(1), 'https://example.org/\0,x', row(2)), good(2, { bad_character: 1 })],
  ['UTF-16 LE without a mark', 'a.csv', () => Buffer.from(table(rows(50)), 'utf16le'), good(50)],
  ['UTF-16 BE without a mark', 'a.csv', () => utf16be(table(rows(50))), good(50)],
  ['UTF-16 BE with a mark', 'a.csv', () => utf16be(`\ufeff${table(rows(50))}`), good(50)],
  ['UTF-8 with a mark', 'a.csv', () => `\ufeff${table(rows(50))}`, good(50)],
  ['two marks', 'a.csv', () => `\ufeff\ufeff${table(rows(50))}`, good(50)],
  ['Latin-1', 'a.csv', () => Buffer.from(table(rows(50)), 'latin1'), good(50)],
  [
    'Latin-1 that is said to be UTF-8',
    'a.csv',
    () => Buffer.from(table('https://example.org/a,A', rows(50)), 'latin1'),
    good(1, { bad_encoding: 50 }),
    { encoding: 'utf-8' },
  ],
  [
    'UTF-8 and Latin-1 by turns',
    'a.csv',
    () =>
      Buffer.concat([Buffer.from(table(rows(50))), Buffer.from('https://example.org/a,Straße\n', 'latin1')]),
    good(50, { bad_encoding: 1 }),
  ],
  [
    'UTF-8 said to be UTF-16',
    'a.csv',
    () => table(rows(50)),
    { failed: 'missing_column' },
    { encoding: 'utf-16le' },
  ],
  [
    'a line of 10 MB',
    'a.csv',
    () => table(row(1), `https://example.org/${'x'.repeat(10 * MB)},x`, row(2)),
    good(2, { line_too_long: 1 }),
  ],
  ['a first line of 10 MB', 'a.csv', () => `${'x'.repeat(10 * MB)}\n${row(1)}\n`, { failed: 'bad_header' }],
  [
    'a quoted cell of 10 MB with line breaks',
    'a.csv',
    () => table(row(1), `https://example.org/x,"${`${'x'.repeat(499)}\n`.repeat(MB / 50)}"`, row(2)),
    good(2, { bad_quote: 2, row_length: 20_970 }),
  ],
  [
    'a cell of 2 MB',
    'a.csv',
    () => table(row(1), `https://example.org/x,${'x'.repeat(2 * MB)}`, row(2)),
    good(2, { cell_too_long: 1 }),
  ],
  [
    '5,000 columns',
    'a.csv',
    () => `url${',c'.repeat(4999)}\nhttps://example.org/1${',1'.repeat(4999)}\n`,
    { failed: 'too_many_columns' },
  ],
  [
    'one row of 5,000 cells',
    'a.csv',
    () => table(row(1), `https://example.org/x${',1'.repeat(4999)}`, row(2)),
    good(2, { too_many_columns: 1 }),
  ],
  [
    '10 MB of quotes',
    'a.csv',
    () => table(row(1), '"'.repeat(10 * MB), row(2)),
    good(2, { line_too_long: 1 }),
  ],
  [
    '100,000 lines of a quote each',
    'a.csv',
    () => table(row(1), '"\n'.repeat(100_000), row(2)),
    good(2, { row_length: 50_000 }),
  ],
  ['10 GB of zeros in gzip', 'a.csv.gz', () => bomb('', 0, 10_240 * MB), { failed: 'not_a_table' }],
  [
    '10 GB of blanks after rows in gzip',
    'a.csv.gz',
    () => bomb(table(rows(1500)), 0x20, 10_240 * MB),
    { failed: 'too_large', kept: 1500 },
  ],
  [
    '10 GB of line breaks after rows in gzip',
    'a.csv.gz',
    () => bomb(table(rows(1500)), 0x0a, 10_240 * MB),
    { failed: 'too_large', kept: 1500 },
  ],
  [
    'gzip that breaks off',
    'a.csv.gz',
    () => gzipSync(table(rows(5000))).subarray(0, -2000),
    { failed: 'bad_gzip' },
  ],
  [
    'gzip of several members',
    'a.csv.gz',
    () => Buffer.concat([gzipSync(table(row(1))), gzipSync(`${row(2)}\n`), gzipSync('')]),
    good(2),
  ],
  [
    'gzip with something behind it',
    'a.csv.gz',
    () => Buffer.concat([gzipSync(table(rows(10))), Buffer.from('rubbish')]),
    { failed: 'bad_gzip' },
  ],
  ['gzip of gzip', 'a.csv.gz', () => gzipSync(gzipSync(table(row(1)))), { failed: 'not_a_table' }],
  ['gzip of nothing', 'a.csv.gz', () => gzipSync(''), { failed: 'empty_file' }],
  ['raw deflate', 'a.csv', () => deflateRawSync(table(rows(500))), { failed: 'not_a_table' }],
  ['nothing', 'a.csv', () => '', { failed: 'empty_file' }],
  ['a header alone', 'a.csv', () => 'url,title\n', { failed: 'no_good_row' }],
  ['blank lines', 'a.csv', () => '\r\n \n\n\t\n', { failed: 'empty_file' }],
  ['40 MB of blank lines', 'a.csv', () => Buffer.alloc(40 * MB, 0x0a), { failed: 'empty_file' }],
  [
    'PNG',
    'a.csv',
    () => Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1'), Buffer.alloc(1000, 7)]),
    { failed: 'not_a_table' },
  ],
  ['PDF', 'a.csv', () => '%PDF-1.7\n1 0 obj\n<<>>\n', { failed: 'not_a_table' }],
  [
    'XLSX',
    'a.csv',
    () => Buffer.from(`PK\x03\x04${'\0'.repeat(26)}xl/workbook.xml${'\x01\xff\0'.repeat(100)}`, 'latin1'),
    { failed: 'not_a_table' },
  ],
  [
    'ZIP',
    'a.csv',
    () => Buffer.from(`PK\x03\x04${'\0'.repeat(26)}a.csv${'\x01\xff\0'.repeat(100)}`, 'latin1'),
    { failed: 'not_a_table' },
  ],
  ['HTML', 'a.csv', () => '<!DOCTYPE html><html><body>404</body></html>', { failed: 'not_a_table' }],
  ['prose', 'a.txt', () => 'Dear Sir,\nthank you for your letter.\nYours\n', { failed: 'missing_column' }],
  [
    '100,000 brackets',
    'a.json',
    () => `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    { failed: 'no_good_row' },
  ],
  [
    '100,000 brackets in one of three',
    'a.json',
    () =>
      `[{"url":"https://example.org/1"},{"url":"https://example.org/2","a":${'['.repeat(100_000)}${']'.repeat(100_000)}},{"url":"https://example.org/3"}]`,
    good(2, { too_deep: 1 }),
  ],
  [
    '100,000 brackets in a line',
    'a.ndjson',
    () => `{"url":"https://example.org/1"}\n${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}\n`,
    good(1, { too_deep: 1 }),
  ],
  [
    'a row of 300,000 empty lists',
    'a.ndjson',
    () =>
      `{"url":"https://example.org/1"}\n{"url":"https://example.org/2","a":[${'[],'.repeat(300_000)}[]]}\n`,
    good(1, { row_too_large: 1 }),
  ],
  [
    '1,000 columns',
    'a.csv',
    () =>
      `url,${Array.from({ length: 999 }, (_, i) => `c${String(i)}`).join(',')}\n${Array.from({ length: 1500 }, (_, i) => `https://example.org/${String(i)}${',ab'.repeat(999)}\n`).join('')}`,
    good(1500),
  ],
  [
    '1,000 fields',
    'a.ndjson',
    () => {
      const fields = Array.from({ length: 999 }, (_, i) => `"c${String(i)}":"ab"`).join(',');
      return Array.from(
        { length: 1500 },
        (_, i) => `{"url":"https://example.org/${String(i)}",${fields}}\n`,
      ).join('');
    },
    good(1500),
  ],
  [
    'a JSON object',
    'a.json',
    () => JSON.stringify({ data: [{ url: 'https://example.org/1' }] }, null, 2),
    { failed: 'not_a_table' },
  ],
  [
    'a JSON object in one line',
    'a.json',
    () => '{"data":[{"url":"https://example.org/1"}]}',
    { failed: 'not_a_table' },
  ],
  [
    'JSON that breaks off',
    'a.json',
    () => '[{"url":"https://example.org/1"},{"url":"https://exam',
    { failed: 'bad_json', kept: 1 },
  ],
  [
    'JSON with a comma at its end',
    'a.json',
    () => '[{"url":"https://example.org/1"},]',
    { failed: 'bad_json', kept: 1 },
  ],
  ['JSON numbers', 'a.json', () => '[1,2,3]', { failed: 'no_good_row' }],
  ['an empty array', 'a.json', () => '[]', { failed: 'no_good_row' }],
  [
    'NDJSON with CRLF and blank lines',
    'a.ndjson',
    () => '\r\n{"url":"https://example.org/1"}\r\n\r\n \r\n{"url":"https://example.org/2"}\r\n\r\n',
    good(2),
  ],
  ['columns of one name', 'a.csv', () => 'url,title,title,url\nhttps://example.org/1,a,b,c\n', good(1)],
  [
    'a delimiter that no line has',
    'a.csv',
    () => table(rows(3)),
    { failed: 'missing_column' },
    { delimiter: ';' },
  ],
  ['sep=; first', 'a.csv', () => 'sep=;\nurl;title\nhttps://example.org/1;a,b\n', good(1)],
  ['CR alone', 'a.csv', () => table(rows(50)).replaceAll('\n', '\r'), good(50)],
  [
    'rows longer and shorter than the header',
    'a.csv',
    () => table(row(1), 'https://example.org/x', 'https://example.org/x,a,b', row(2)),
    good(2, { row_length: 2 }),
  ],
];

/** The most memory that the service ever had, MB. */
async function peak(): Promise<number> {
  const status = await readFile(`/proc/${String(reader)}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

const ENDED = ['completed', 'failed'];

interface Outcome {
  upload: Job;
  job: Job;
}

async function brought([, name, content, , asked = {}]: Case, kind: string): Promise<Outcome> {
  const made = await world.call<{ job_id: string }>('POST', '/api/v1/new-job/');
  const sent = await fetch(new URL(`/api/v1/upload/?job_id=${made.body.job_id}`, world.platform.url), {
    method: 'POST',
    headers: { 'content-disposition': `attachment; filename="${name}"` },
    body: content(),
  });
  const upload = (await sent.json()) as Job;
  const wanted: CreateImport = { upload: upload.id, as: 'items', kind, ...asked };
  const { body: taken } = await world.call<Job>('POST', '/api/v1/imports', wanted);
  const job = await world.eventually(
    () => world.job(taken.id),
    ({ state }) => ENDED.includes(state),
    400_000,
  );
  await world.control(job.id, 'terminate');
  await world.until(job.id, 'terminated');
  return { upload, job };
}

/** Most of a small case's time is waits: two at a time, as the service takes them. Items of two kinds are never the same. */
const KINDS = ['page', 'row'];
let outcomes: Promise<Outcome>[];
beforeAll(() => {
  const before = new Map<string, Promise<unknown>>();
  outcomes = CASES.map((one, i) => {
    const kind = KINDS[i % KINDS.length] as string;
    const outcome = Promise.resolve(before.get(kind)).then(() => brought(one, kind));
    before.set(
      kind,
      outcome.catch(() => undefined),
    );
    return outcome;
  });
});

test.each(CASES.map((one, i) => [one[0], one[3], i] as const))('%s', async (_, told, i) => {
  const { upload, job } = (await outcomes[i]) as Outcome;
  expect(upload.state).toBe('completed');
  if ('failed' in told) {
    expect(job).toMatchObject({ state: 'failed', error: { code: told.failed, message: expect.any(String) } });
    if (told.kept !== undefined) expect(job.counts.stored).toBe(told.kept);
  } else {
    expect(job).toMatchObject({ state: 'completed', counts: told.completed });
    expect(job.transfer?.report['reasons']).toEqual(told.reasons);
  }
  expect(addsUp(job)).toBe(true);
});

test('none of them ended the service', () => {
  expect(reader).toBeGreaterThan(0);
  expect(readerNow()).toBe(reader);
});

const onLinux = process.platform === 'linux' ? test : test.skip;
onLinux('in little memory', async () => {
  // Rows of up to 4 MiB pass through it, three batches of them at once.
  expect(await peak()).toBeLessThan(300);
  expect((await world.call<{ items: unknown[] }>('GET', '/api/v1/items')).body.items).toEqual([]);
});
