/** One image source of a srcset: at most one of `width` (w descriptor) and `density` (x descriptor). */
export type SrcsetCandidate = {
  /** As written, not resolved. Never empty, never with white space, never ending in a comma. */
  url: string;
  /** The w descriptor, in image pixels. */
  width?: number;
  /** The x descriptor. A candidate without any descriptor counts as 1. */
  density?: number;
  /** The h descriptor, which the standard reads for compatibility only. */
  height?: number;
};

const COMMA = 0x2c;
const OPEN = 0x28;
const CLOSE = 0x29;

function isWhitespace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d || code === 0x0c;
}

const INTEGER = /^[0-9]+$/;
const FLOAT = /^-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

/**
 * Parses a `srcset` (or `imagesrcset`) attribute by the HTML standard's algorithm:
 * https://html.spec.whatwg.org/multipage/images.html#parsing-a-srcset-attribute
 *
 * Candidates whose descriptors are wrong are left out, the rest are kept in order. Commas inside a URL belong to
 * the URL unless they end it. Never throws; linear in the length of the input.
 */
export function parseSrcset(input: string): SrcsetCandidate[] {
  const candidates: SrcsetCandidate[] = [];
  const end = input.length;
  let at = 0;
  for (;;) {
    while (at < end && (isWhitespace(input.charCodeAt(at)) || input.charCodeAt(at) === COMMA)) at += 1;
    if (at >= end) return candidates;

    const start = at;
    while (at < end && !isWhitespace(input.charCodeAt(at))) at += 1;
    let urlEnd = at;
    while (urlEnd > start && input.charCodeAt(urlEnd - 1) === COMMA) urlEnd -= 1;
    const url = input.slice(start, urlEnd);

    let descriptors: string[] = [];
    if (urlEnd === at) [descriptors, at] = readDescriptors(input, at);
    const candidate = readCandidate(url, descriptors);
    if (candidate) candidates.push(candidate);
  }
}

/** The standard's descriptor tokenizer, from `at` up to and including the comma that ends the candidate. */
function readDescriptors(input: string, at: number): [string[], number] {
  const descriptors: string[] = [];
  const end = input.length;
  let start = -1;
  let inParentheses = false;
  for (; at < end; at += 1) {
    const code = input.charCodeAt(at);
    if (inParentheses) {
      if (code === CLOSE) inParentheses = false;
    } else if (isWhitespace(code)) {
      if (start >= 0) descriptors.push(input.slice(start, at));
      start = -1;
    } else if (code === COMMA) {
      if (start >= 0) descriptors.push(input.slice(start, at));
      return [descriptors, at + 1];
    } else {
      if (start < 0) start = at;
      if (code === OPEN) inParentheses = true;
    }
  }
  if (start >= 0) descriptors.push(input.slice(start));
  return [descriptors, end];
}

/** The standard's descriptor parser. Undefined is its "error: yes". */
function readCandidate(url: string, descriptors: readonly string[]): SrcsetCandidate | undefined {
  let width: number | undefined;
  let density: number | undefined;
  let height: number | undefined;
  for (const descriptor of descriptors) {
    const number = descriptor.slice(0, -1);
    const unit = descriptor.at(-1);
    const value = Number(number);
    if (unit === 'w' && INTEGER.test(number)) {
      if (width !== undefined || density !== undefined || !isPositive(value)) return undefined;
      width = value;
    } else if (unit === 'x' && FLOAT.test(number)) {
      if (width !== undefined || density !== undefined || height !== undefined) return undefined;
      if (!Number.isFinite(value) || value < 0) return undefined;
      density = Math.abs(value);
    } else if (unit === 'h' && INTEGER.test(number)) {
      if (height !== undefined || density !== undefined || !isPositive(value)) return undefined;
      height = value;
    } else {
      return undefined;
    }
  }
  if (height !== undefined && width === undefined) return undefined;
  return {
    url,
    ...(width !== undefined && { width }),
    ...(density !== undefined && { density }),
    ...(height !== undefined && { height }),
  };
}

function isPositive(value: number): boolean {
  return value > 0 && Number.isFinite(value);
}

/**
 * The candidate with the most pixels: the greatest w, else the greatest x (1 where there is none); the first of
 * equals. A candidate with w is preferred to any without, because widths and densities cannot be compared.
 */
export function largestCandidate(candidates: readonly SrcsetCandidate[]): SrcsetCandidate | undefined {
  let best: SrcsetCandidate | undefined;
  for (const candidate of candidates) if (!best || isLarger(candidate, best)) best = candidate;
  return best;
}

function isLarger(a: SrcsetCandidate, b: SrcsetCandidate): boolean {
  if (a.width !== undefined || b.width !== undefined) return (a.width ?? 0) > (b.width ?? 0);
  return (a.density ?? 1) > (b.density ?? 1);
}

/**
 * The source set of an `<img>`: the candidates of its srcset, and its `src` as one more of density 1, unless there is
 * a 1x candidate or a width already (https://html.spec.whatwg.org/multipage/images.html#updating-the-source-set).
 */
export function sourceSet(
  candidates: readonly SrcsetCandidate[],
  src: string | undefined,
): SrcsetCandidate[] {
  const isComplete = candidates.some(({ width, density }) => width !== undefined || (density ?? 1) === 1);
  return src && !isComplete ? [...candidates, { url: src, density: 1 }] : [...candidates];
}
