/** The table that is moved: rows of a kind that people keep, each its own address. */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export const COLUMNS = ['url', 'title', 'author', 'publishedAt', 'likes'] as const;

const WORDS =
  'sea sand light evening harbour mountain morning rain window bird stone river field road glass'.split(' ');
const word = (n: number): string => WORDS[n % WORDS.length] as string;
const START = Date.UTC(2020, 0, 1);

/** Writes `rows` rows with a header, RFC 4180. */
export const writeTable = (path: string, rows: number): Promise<void> =>
  pipeline(Readable.from(lines(rows)), createWriteStream(path));

function* lines(rows: number): Generator<string> {
  yield `${COLUMNS.join(',')}\r\n`;
  let chunk = '';
  for (let i = 0; i < rows; i++) {
    const at = new Date(START + i * 60_000).toISOString();
    const title = `"${word(i)}, ${word(i * 7 + 3)} and ${word(i * 13 + 5)}"`;
    chunk += `https://example.org/${word(i * 3)}/${i},${title},${word(i * 11)} ${i % 997},${at},${(i * 7919) % 100_003}\r\n`;
    if (chunk.length < 65_536) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk;
}
