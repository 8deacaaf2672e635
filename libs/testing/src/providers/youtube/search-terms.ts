/**
 * The query term `q`: words are all wanted, `|` means either, `-` means not; either binds closer than all, so
 * `boating|sailing -fishing` is one of the two without the third.
 * https://developers.google.com/youtube/v3/docs/search/list#q
 */
interface Group {
  readonly either: readonly string[];
  readonly not: boolean;
}

/** Lower-case words apart by single blanks, with a blank at both ends: a word is found by its blanks. */
export function searchable(...texts: readonly string[]): string {
  return ` ${texts
    .join(' ')
    .toLowerCase()
    .normalize('NFKC')
    .split(/[^\p{L}\p{N}+]+/u)
    .filter((word) => word !== '')
    .join(' ')} `;
}

/** A test of texts that `searchable` made. An empty query matches everything. */
export function matcher(q: string): (text: string) => boolean {
  const groups: Group[] = [];
  const closed = q.replaceAll(/\s*\|\s*/g, '|');
  for (const [token] of closed.matchAll(/-?(?:"[^"]*"|[^\s"|]+)(?:\|(?:"[^"]*"|[^\s"|]+))*/g)) {
    const not = token.startsWith('-') && token.length > 1;
    const either = (not ? token.slice(1) : token)
      .split('|')
      .map((word) => searchable(word))
      .filter((word) => word.trim() !== '');
    if (either.length > 0) groups.push({ either, not });
  }
  return (text) => groups.every(({ either, not }) => either.some((word) => text.includes(word)) !== not);
}
