/** In which language a text is. */
import { detectAll } from 'tinyld';

const SAMPLE = 4000;
const PIECE = 1000;
/** Constructed and ancient languages, which the detector finds in lists of names and in code. */
const RARE = new Set(['eo', 'tlh', 'vo', 'ia', 'la', 'got', 'ber']);
const SYLLABIC = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}]/gu;
/** Below this many letters a detector guesses. */
const FEW_LETTERS = 40;
/** From here on it may contradict what the page declares. */
const MANY_LETTERS = 200;

/** Languages that a detector of letters can't tell apart: the page's word counts. */
const KIN = [['no', 'nb', 'nn', 'da'], ['sr', 'hr', 'bs', 'sh'], ['id', 'ms'], ['cs', 'sk'], ['zh', 'yue', 'wuu'], ['fa', 'prs', 'tg'], ['fil', 'tl'], ['hi', 'mr', 'ne'], ['gl', 'pt'], ['af', 'nl']]; // prettier-ignore

/**
 * The language as BCP 47. What the page declares (`<html lang>`, else Content-Language, JSON-LD, og:locale)
 * holds, region and script included, unless at least 200 letters of text are plainly in another language.
 * Where nothing valid is declared, it is detected, from 40 letters on; else undefined.
 */
export function languageOf(text: string, declared: string | undefined): string | undefined {
  const tag = validTag(declared);
  const prose = proseOf(text);
  // A letter of Han, kana or Hangul says as much as a syllable.
  const weight = (prose.match(/\p{L}/gu)?.length ?? 0) + 2 * (prose.match(SYLLABIC)?.length ?? 0);
  if (weight < (tag === undefined ? FEW_LETTERS : MANY_LETTERS)) return tag;
  const guesses = guess(prose);
  const best = guesses[0];
  if (best === undefined) return tag;
  if (tag === undefined) return best.language;
  const base = tag.split('-')[0] ?? tag;
  const own = guesses.find(({ language }) => isKin(language, base));
  return own !== undefined && own.score >= best.score * 0.5 ? tag : best.language;
}

/** Paragraphs rather than names, numbers and code, which look like any language; in lower case, letters only. */
function proseOf(text: string): string {
  const paragraphs = text.slice(0, 20 * SAMPLE).split(/\n+/);
  const sentences = paragraphs.filter(
    (line) => line.length >= 60 && (line.match(/[{}()[\]<>=_|\\/;:\d]/g)?.length ?? 0) < line.length / 12,
  );
  const chosen = sentences.join('\n').length >= MANY_LETTERS ? sentences : paragraphs;
  return chosen
    .join('\n')
    .replace(/https?:\/\/\S+|[\p{N}\p{S}_[\](){}<>/\\#@*"]+/gu, ' ')
    .slice(0, SAMPLE);
}

/** Scores of a few pieces of the text, added: one odd piece doesn't decide. */
function guess(prose: string): { language: string; score: number }[] {
  const scores = new Map<string, number>();
  for (let at = 0; at < prose.length; at += PIECE) {
    const piece = prose.slice(at, at + PIECE);
    if (at > 0 && piece.length < PIECE / 2) break;
    for (const { lang, accuracy } of detectAll(piece)) {
      if (!RARE.has(lang)) scores.set(lang, (scores.get(lang) ?? 0) + accuracy);
    }
  }
  return [...scores].map(([language, score]) => ({ language, score })).sort((a, b) => b.score - a.score);
}

function isKin(a: string, b: string): boolean {
  return a === b || KIN.some((family) => family.includes(a) && family.includes(b));
}

/** In canonical form; undefined for `und`, placeholders and what is no language tag. */
function validTag(declared: string | undefined): string | undefined {
  try {
    const tag = Intl.getCanonicalLocales(declared?.trim().replaceAll('_', '-') ?? '')[0];
    if (tag === undefined || /^(und|mul|zxx|x)\b/.test(tag)) return undefined;
    // Structurally valid is not known: `language`, `template`.
    return new Intl.DisplayNames('en', { type: 'language', fallback: 'none' }).of(tag.split('-')[0] ?? '') ===
      undefined
      ? undefined
      : tag;
  } catch {
    return undefined;
  }
}
