const MAX_TERMS = 400;
const MAX_LENGTH = 40;

/**
 * The distinct words of some texts, as they are searched for: lower case, without accents (NFKD), letters and digits
 * only, each at most 40 characters, at most 400; earlier texts first.
 */
export function searchTerms(...texts: readonly string[]): string[] {
  const terms = new Set<string>();
  for (const text of texts)
    for (const word of text
      .normalize('NFKD')
      .replace(/\p{M}+/gu, '')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []) {
      terms.add(word.slice(0, MAX_LENGTH));
      if (terms.size >= MAX_TERMS) return [...terms];
    }
  return [...terms];
}
