/**
 * HTML as values. Whatever is put into a template is text, escaped for elements and quoted attributes
 * (https://html.spec.whatwg.org/multipage/parsing.html), unless it is HTML itself; lists are joined, and what is
 * undefined, null or false is nothing. Not for scripts, styles, comments, or attributes without quotes.
 */
export class Html {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

export type Content = Html | string | number | false | null | undefined | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

export const html = (parts: TemplateStringsArray, ...values: readonly Content[]): Html =>
  new Html(parts.reduce((all, part, i) => `${all}${render(values[i - 1])}${part}`));

function render(value: Content): string {
  if (value === undefined || value === null || value === false) return '';
  if (value instanceof Html) return value.toString();
  if (typeof value === 'object') return value.map(render).join('');
  return escape(String(value));
}

/** Control characters that HTML does not know are left out. */
const escape = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[\0-\x08\x0b\x0e-\x1f\x7f]/g, '')
    .replace(/[&<>"'`]/g, (char) => ENTITIES[char] ?? '');

/** A web address as the value of an attribute; undefined for any other scheme. */
export function webAddress(url: string | null): string | undefined {
  const parsed = url === null ? null : URL.parse(url);
  return parsed !== null && /^https?:$/.test(parsed.protocol) ? parsed.href : undefined;
}
