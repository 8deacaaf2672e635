/** Counting words, also of scripts that write without blanks. */

/** Scripts whose words only a dictionary tells apart. */
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}ー]+/gu;
const WORD = /[\p{L}\p{N}\p{M}]+(?:['’.\-_][\p{L}\p{N}\p{M}]+)*/gu;
/** The dictionary is slow: beyond this many characters the rest is counted at the same rate. */
const MAX_SEGMENTED = 20_000;

const segmenter = new Intl.Segmenter('und', { granularity: 'word' });

/** Words of a text: runs of letters and digits, `don't` and `3.5` as one; in Chinese, Japanese, Thai and their like, ICU's words. */
export function countWords(text: string): number {
  let segmented = 0;
  let words = 0;
  let total = 0;
  const spaced = text.replace(UNSPACED, (run) => {
    total += run.length;
    if (segmented < MAX_SEGMENTED) {
      const part = run.slice(0, MAX_SEGMENTED - segmented);
      segmented += part.length;
      for (const { isWordLike } of segmenter.segment(part)) if (isWordLike === true) words += 1;
    }
    return ' ';
  });
  const unspaced = segmented === 0 ? 0 : Math.round((words * total) / segmented);
  return unspaced + (spaced.match(WORD)?.length ?? 0);
}
