/** What `cssImages` may be asked for. */
export type CssImagesOptions = {
  /** Of an `image-set()`: the option of highest resolution per type (default), or every option. */
  candidates?: 'largest' | 'all';
};

type Option = { url?: string; resolution: number; type: string };
/** A function whose parenthesis is open. `said` once its one string was read, good or broken. */
type Open = { name: string; options?: Option[]; said?: boolean };

const MAY_HAVE_IMAGES = /url|image|src|\\/i;
const IMAGE_SETS = new Set(['image-set', '-webkit-image-set']);
/** Functions whose own string argument is the address of an image. */
const STRING_IS_IMAGE = new Set(['url', 'src', 'image']);
/** Properties whose url() is code or a typeface. */
const NOT_IMAGES = new Set(['behavior', '-moz-binding', 'src']);
const NUMBER = /[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const UNITS: Record<string, number> = { x: 1, dppx: 1, dpi: 1 / 96, dpcm: 2.54 / 96 };

/**
 * The addresses of images in a style sheet or a style attribute, as written after CSS escapes, in order:
 * `url()` quoted or not, `src()`, and the strings and URLs of `image-set()`.
 * Left out: what stands in an at-rule's prelude (`@import`, `@namespace`), everything in `@font-face`, addresses
 * that are only a fragment (`url(#clip)`), `behavior` and `-moz-binding`.
 *
 * Tokens are read as CSS Syntax 3 says (https://www.w3.org/TR/css-syntax-3/#tokenization): comments, strings broken
 * by a newline and bad URLs are skipped as there. Never throws; linear in the length of the input.
 */
export function cssImages(css: string, options: CssImagesOptions = {}): string[] {
  if (!MAY_HAVE_IMAGES.test(css)) return [];
  return new Scanner(css, options.candidates ?? 'largest').run();
}

class Scanner {
  private readonly css: string;
  private readonly candidates: 'largest' | 'all';
  private readonly found: string[] = [];
  private readonly open: Open[] = [];
  private at = 0;
  private depth = 0;
  private prelude = false;
  private fontFace = false;
  /** Brace depth inside which nothing counts; undefined outside of such a block. */
  private mutedFrom: number | undefined;
  private lastIdent = '';
  private property = '';

  constructor(css: string, candidates: 'largest' | 'all') {
    this.css = css;
    this.candidates = candidates;
  }

  run(): string[] {
    while (this.at < this.css.length) this.step();
    while (this.open.length > 0) this.close();
    return this.found;
  }

  private step(): void {
    const { css, at } = this;
    const char = css[at] as string;
    if (isWhitespace(char)) {
      this.at += 1;
    } else if (char === '/' && css[at + 1] === '*') {
      const end = css.indexOf('*/', at + 2);
      this.at = end < 0 ? css.length : end + 2;
    } else if (char === '"' || char === "'") {
      const value = this.string(char);
      if (value !== undefined) this.onString(value);
      const top = this.top();
      if (top) top.said = true;
    } else if (char === '@') {
      this.at += 1;
      const name = this.name().toLowerCase();
      if (name !== '') {
        this.prelude = true;
        this.fontFace = name === 'font-face';
      }
    } else if (char === '#') {
      this.at += 1;
      this.name();
    } else if (char === '-' && css.startsWith('-->', at)) {
      this.at += 3;
    } else if (this.startsName(at)) {
      this.ident();
    } else if (!this.number()) {
      this.at += 1;
      this.delimiter(char);
    }
  }

  private delimiter(char: string): void {
    if (char === '(') this.open.push({ name: '' });
    else if (char === ')') this.close();
    else if (char === ',') this.top()?.options?.push({ resolution: 1, type: '' });
    else if (char === ':') this.property ||= this.open.length === 0 ? this.lastIdent : '';
    else if (char === '{') {
      this.depth += 1;
      if (this.prelude && this.fontFace) this.mutedFrom ??= this.depth;
      this.endOfDeclaration();
    } else if (char === '}') {
      if (this.mutedFrom === this.depth) this.mutedFrom = undefined;
      this.depth = Math.max(0, this.depth - 1);
      this.endOfDeclaration();
    } else if (char === ';') this.endOfDeclaration();
  }

  /** A declaration's end also ends functions that were left open, as a browser's recovery would. */
  private endOfDeclaration(): void {
    while (this.open.length > 0) this.close();
    this.prelude = false;
    this.fontFace = false;
    this.property = '';
    this.lastIdent = '';
  }

  private ident(): void {
    const name = this.name().toLowerCase();
    if (this.css[this.at] !== '(') {
      this.lastIdent = name;
      return;
    }
    this.at += 1;
    if (name === 'url') this.url();
    else if (IMAGE_SETS.has(name)) this.open.push({ name, options: [{ resolution: 1, type: '' }] });
    else this.open.push({ name });
  }

  private url(): void {
    this.skipWhitespace();
    const char = this.css[this.at];
    if (char === '"' || char === "'") {
      this.open.push({ name: 'url' });
      return;
    }
    const value = this.unquotedUrl();
    if (value !== undefined) this.onAddress(value, this.top());
  }

  private onString(value: string): void {
    const top = this.top();
    if (!top) return;
    if (top.options) this.onAddress(value, top);
    else if (STRING_IS_IMAGE.has(top.name) && !top.said) this.onAddress(value, this.open.at(-2));
    else if (top.name === 'type') {
      const option = this.open.at(-2)?.options?.at(-1);
      if (option) option.type = value.trim().toLowerCase();
    }
  }

  private onAddress(value: string, within: Open | undefined): void {
    const address = value.trim();
    if (address === '' || address.startsWith('#')) return;
    if (this.prelude || this.mutedFrom !== undefined || NOT_IMAGES.has(this.property)) return;
    const option = within?.options?.at(-1);
    if (option) option.url ??= address;
    else this.found.push(address);
  }

  private close(): void {
    const closed = this.open.pop();
    if (!closed?.options) return;
    const named = closed.options.filter((option) => option.url !== undefined);
    if (this.candidates === 'all') {
      for (const option of named) this.found.push(option.url as string);
      return;
    }
    const best = new Map<string, Option>();
    for (const option of named) {
      const other = best.get(option.type);
      if (!other || option.resolution > other.resolution) best.set(option.type, option);
    }
    for (const option of best.values()) this.found.push(option.url as string);
  }

  private top(): Open | undefined {
    return this.open.at(-1);
  }

  private number(): boolean {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.css);
    if (!match) return false;
    this.at = NUMBER.lastIndex;
    const unit = this.startsName(this.at) ? this.name().toLowerCase() : '';
    const scale = UNITS[unit];
    const option = this.top()?.options?.at(-1);
    if (option && scale !== undefined) option.resolution = Number(match[0]) * scale;
    return true;
  }

  /** Reads a string from its quote. Undefined when a newline broke it. At the end of input it counts as closed. */
  private string(quote: string): string | undefined {
    const { css } = this;
    let value = '';
    let from = (this.at += 1);
    for (; this.at < css.length; this.at += 1) {
      const char = css[this.at];
      if (char === quote) {
        value += css.slice(from, this.at);
        this.at += 1;
        return value;
      }
      if (char === '\n' || char === '\r' || char === '\f') return undefined;
      if (char === '\\') {
        value += css.slice(from, this.at) + this.escape(true);
        from = this.at;
        this.at -= 1;
      }
    }
    return value + css.slice(from);
  }

  private unquotedUrl(): string | undefined {
    const { css } = this;
    let value = '';
    let from = this.at;
    for (; this.at < css.length; this.at += 1) {
      const char = css[this.at] as string;
      if (char === ')') break;
      if (isWhitespace(char)) {
        const end = this.at;
        this.skipWhitespace();
        if (this.at < css.length && css[this.at] !== ')') return this.badUrl();
        this.at += 1;
        return value + css.slice(from, end);
      }
      if (char === '"' || char === "'" || char === '(' || isNonPrintable(char)) return this.badUrl();
      if (char === '\\') {
        if (isNewline(css[this.at + 1])) return this.badUrl();
        value += css.slice(from, this.at) + this.escape(false);
        from = this.at;
        this.at -= 1;
      }
    }
    value += css.slice(from, this.at);
    this.at += 1;
    return value;
  }

  private badUrl(): undefined {
    const { css } = this;
    while (this.at < css.length && css[this.at] !== ')') this.at += css[this.at] === '\\' ? 2 : 1;
    this.at += 1;
  }

  /** Reads an escape from its backslash. In a string, an escaped newline is nothing. */
  private escape(inString: boolean): string {
    const { css } = this;
    this.at += 1;
    const char = css[this.at];
    if (char === undefined) return inString ? '' : '\ufffd';
    if (inString && isNewline(char)) {
      this.at += char === '\r' && css[this.at + 1] === '\n' ? 2 : 1;
      return '';
    }
    const hex = /^[0-9a-fA-F]{1,6}/.exec(css.slice(this.at, this.at + 6))?.[0];
    if (hex === undefined) {
      const symbol = String.fromCodePoint(css.codePointAt(this.at) as number);
      this.at += symbol.length;
      return symbol;
    }
    this.at += hex.length;
    if (css[this.at] === '\r' && css[this.at + 1] === '\n') this.at += 2;
    else if (this.at < css.length && isWhitespace(css[this.at] as string)) this.at += 1;
    const code = Number.parseInt(hex, 16);
    const isScalar = code !== 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return isScalar ? String.fromCodePoint(code) : '\ufffd';
  }

  private name(): string {
    const { css } = this;
    let value = '';
    let from = this.at;
    while (this.at < css.length) {
      const char = css[this.at] as string;
      if (isNameChar(char)) this.at += 1;
      else if (char === '\\' && this.at + 1 < css.length && !isNewline(css[this.at + 1])) {
        value += css.slice(from, this.at) + this.escape(false);
        from = this.at;
      } else break;
    }
    return value + css.slice(from, this.at);
  }

  private startsName(at: number): boolean {
    const char = this.css[at];
    if (char === undefined) return false;
    if (char === '\\') return at + 1 < this.css.length && !isNewline(this.css[at + 1]);
    if (char !== '-') return isNameChar(char) && !(char >= '0' && char <= '9');
    const next = this.css[at + 1];
    return next === '-' || (next !== undefined && this.startsName(at + 1));
  }

  private skipWhitespace(): void {
    while (this.at < this.css.length && isWhitespace(this.css[this.at] as string)) this.at += 1;
  }
}

function isWhitespace(char: string): boolean {
  return char === ' ' || char === '\t' || isNewline(char);
}

function isNewline(char: string | undefined): boolean {
  return char === '\n' || char === '\r' || char === '\f';
}

function isNameChar(char: string): boolean {
  const code = char.charCodeAt(0);
  return (
    code >= 0x80 ||
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x5f
  );
}

function isNonPrintable(char: string): boolean {
  const code = char.charCodeAt(0);
  return code <= 0x08 || code === 0x0b || (code >= 0x0e && code <= 0x1f) || code === 0x7f;
}
