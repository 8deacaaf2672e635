import type { ImageSize } from './dimensions.ts';
import { svgStart, textOf } from './sniff.ts';

/** CSS pixels of an absolute unit: https://www.w3.org/TR/css-values-4/#absolute-lengths */
const PIXELS: Record<string, number> = {
  '': 1,
  px: 1,
  pt: 96 / 72,
  pc: 16,
  in: 96,
  cm: 96 / 2.54,
  mm: 96 / 25.4,
  q: 96 / 101.6,
};
const MAX_TAG = 65_536;

/**
 * The size of an SVG document in whole CSS pixels: `width` and `height` of its root element where they are absolute,
 * else what the `viewBox` says, one of the two scaled by it. Undefined when it has no size of its own.
 */
export function svgSize(head: Uint8Array): ImageSize | undefined | 'more' {
  const text = textOf(head);
  const start = svgStart(text);
  if (start < 0) return undefined;
  const tag = startTag(text, start);
  if (tag === undefined) return text.length - start > MAX_TAG ? undefined : 'more';

  const width = pixels(tag.get('width'));
  const height = pixels(tag.get('height'));
  const box = (tag.get('viewBox') ?? '')
    .slice(0, 200)
    .trim()
    .split(/[\s,]+/)
    .map(Number);
  const [boxWidth, boxHeight] = [box[2] ?? Number.NaN, box[3] ?? Number.NaN];
  const ratio = boxWidth > 0 && boxHeight > 0 ? boxWidth / boxHeight : undefined;
  if (width !== undefined && height !== undefined) return whole(width, height);
  if (ratio === undefined) return undefined;
  if (width !== undefined) return whole(width, width / ratio);
  if (height !== undefined) return whole(height * ratio, height);
  return whole(boxWidth, boxHeight);
}

/** The attributes of the start tag at `start`; undefined when its end is not there. */
function startTag(text: string, start: number): Map<string, string> | undefined {
  const attributes = new Map<string, string>();
  const end = Math.min(text.length, start + MAX_TAG);
  let at = start;
  const skip = (isSkipped: (char: string) => boolean): number => {
    while (at < end && isSkipped(text[at] as string)) at += 1;
    return at;
  };
  skip((char) => !isSpace(char) && char !== '/' && char !== '>');
  while (at < end) {
    const from = skip((char) => isSpace(char) || char === '/');
    if (text[at] === '>') return attributes;
    const name = text.slice(
      from,
      skip((char) => !isSpace(char) && char !== '=' && char !== '/' && char !== '>'),
    );
    skip(isSpace);
    if (text[at] !== '=') continue;
    at += 1;
    skip(isSpace);
    const quote = text[at];
    if (quote === '"' || quote === "'") {
      const close = text.indexOf(quote, at + 1);
      if (close < 0) return undefined;
      attributes.set(name, text.slice(at + 1, close));
      at = close + 1;
    } else {
      attributes.set(
        name,
        text.slice(
          at,
          skip((char) => !isSpace(char) && char !== '>'),
        ),
      );
    }
  }
  return undefined;
}

function isSpace(char: string): boolean {
  return char === ' ' || char === '\n' || char === '\t' || char === '\r';
}

function pixels(length: string | undefined): number | undefined {
  const match = /^\s*\+?(\d*\.?\d+(?:e[+-]?\d+)?)\s*([a-z]*)\s*$/i.exec((length ?? '').slice(0, 60));
  const scale = match && PIXELS[(match[2] as string).toLowerCase()];
  const value = match && scale ? Number(match[1]) * scale : 0;
  return value > 0 && Number.isFinite(value) ? value : undefined;
}

function whole(width: number, height: number): ImageSize | undefined {
  if (!(width < 2 ** 31 && height < 2 ** 31)) return undefined;
  return { width: Math.max(1, Math.round(width)), height: Math.max(1, Math.round(height)) };
}
