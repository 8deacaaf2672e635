/** Files to be imported, with what must come of them. */

/** Every hundredth row is bad, in one of several ways; every thousandth is the one before it again. */
export interface MixedFile {
  text: string;
  rows: number;
  /** Distinct good ones. */
  good: number;
  duplicate: number;
  /** By the line of the file: column ('' where it is the whole row) and code. */
  bad: Map<number, [column: string, code: string]>;
}

const WAYS: [row: string, column: string, code: string][] = [
  ['ftp://example.org/x,page,Title,', 'url', 'scheme_not_allowed'],
  [',page,Title,', 'url', 'missing_value'],
  ['https://user:hunter2@example.org/,page,Title,', 'url', 'credentials_in_url'],
  ['not an address,page,Title,', 'url', 'invalid_url'],
  ['https://example.org/kind,No Kind!,Title,', 'kind', 'invalid_kind'],
  ['https://example.org/short,page', '', 'row_length'],
  ['https://example.org/quote,page,"Ti"tle,', 'title', 'bad_quote'],
  ['https://example.org/nul,page,Ti\0tle,', 'title', 'bad_character'],
];

export const urlOf = (i: number): string => `https://host${String(i % 7)}.example.org/page/${String(i)}`;

export function mixedFile(rows = 20_000): MixedFile {
  const lines = ['url,kind,title,note'];
  const bad: MixedFile['bad'] = new Map();
  let duplicate = 0;
  for (let i = 0; i < rows; i++) {
    const line = lines.length + 1;
    if (i % 100 === 50) {
      const [row, column, code] = WAYS[Math.floor(i / 100) % WAYS.length] ?? ['', '', ''];
      bad.set(line, [column, code]);
      lines.push(row);
    } else if (i % 1000 === 999) {
      duplicate++;
      lines.push(`${urlOf(i - 1)}#again,page,Other title,`);
    } else lines.push(`${urlOf(i)},page,"Title, ${String(i)}",${i % 2 ? 'odd' : ''}`);
  }
  return {
    text: `${lines.join('\n')}\n`,
    rows,
    good: rows - bad.size - duplicate,
    duplicate,
    bad,
  };
}

/** As it is, with every other row so long that some hundred of them are a batch: few rows are many batches. */
export const inManyBatches = (text: string): string => text.replaceAll(',odd\n', `,${'odd'.repeat(1500)}\n`);

/** How many of a file's rows are bad for which reason. */
export function reasonsOf({ bad }: MixedFile): Record<string, number> {
  const reasons: Record<string, number> = {};
  for (const [, code] of bad.values()) reasons[code] = (reasons[code] ?? 0) + 1;
  return reasons;
}
