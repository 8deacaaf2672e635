/** Files to be imported, with what must come of them. */

/** Of 20,000 rows: every hundredth is bad, in one of five ways; every thousandth is the one before it again. */
export interface MixedFile {
  text: string;
  rows: number;
  /** Distinct good ones. */
  good: number;
  duplicate: number;
  /** By the line of the file: column and code. */
  bad: Map<number, [column: string, code: string]>;
}

const WAYS: [url: string, kind: string, code: string, column: string][] = [
  ['ftp://example.org/x', 'page', 'scheme_not_allowed', 'url'],
  ['', 'page', 'missing_value', 'url'],
  ['https://user:hunter2@example.org/', 'page', 'credentials_in_url', 'url'],
  ['not an address', 'page', 'invalid_url', 'url'],
  ['https://example.org/kind', 'No Kind!', 'invalid_kind', 'kind'],
];

export const urlOf = (i: number): string => `https://host${String(i % 7)}.example.org/page/${String(i)}`;

export function mixedFile(rows = 20_000): MixedFile {
  const lines = ['url,kind,title,note'];
  const bad: MixedFile['bad'] = new Map();
  let duplicate = 0;
  for (let i = 0; i < rows; i++) {
    const line = lines.length + 1;
    if (i % 100 === 50) {
      const [url, kind, code, column] = WAYS[(i / 50) % WAYS.length] ?? ['', '', '', ''];
      bad.set(line, [column, code]);
      lines.push(`${url},${kind},Title ${String(i)},`);
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
