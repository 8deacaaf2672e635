import { tooLarge } from './file-errors.ts';

/** What a `data:` URL carries. */
export type DataUrl = {
  /** The declared media type in lower case, without parameters; `text/plain` when none is declared. */
  mediaType: string;
  bytes: Uint8Array;
};

const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]{1,127}\/[\w!#$%&'*+.^`|~-]{1,127}$/;

/**
 * Decodes a `data:` URL by the Fetch standard (https://fetch.spec.whatwg.org/#data-url-processor): percent escapes,
 * `;base64` with forgiving decoding, the fragment cut off, tabs and newlines ignored. Undefined when it is none or is
 * broken.
 *
 * @throws Permanent `body_too_large` when it carries more than `maxBytes`; little more than that is ever allocated.
 */
export function decodeDataUrl(url: string, { maxBytes }: { maxBytes: number }): DataUrl | undefined {
  const trimmed = url.trim();
  if (!/^data:/i.test(trimmed)) return undefined;
  const comma = trimmed.indexOf(',');
  if (comma < 0) return undefined;
  const header = trimmed
    .slice(5, comma)
    .replace(/[\t\n\r]/g, '')
    .trim();
  const isBase64 = /;\x20*base64$/i.test(header);
  const fragment = trimmed.indexOf('#', comma);
  const body = trimmed.slice(comma + 1, fragment < 0 ? trimmed.length : fragment);

  // A byte takes at most 4 characters: base64 of which every character is an escape.
  if (body.length > maxBytes * 4 + 1_000) throw tooLarge(maxBytes);
  const unescaped = unescapePercent(body);
  const bytes = isBase64 ? decodeBase64(unescaped) : unescaped;
  if (bytes === undefined) return undefined;
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return { mediaType: mediaTypeOf(header), bytes };
}

function mediaTypeOf(header: string): string {
  const essence = (header.split(';', 1)[0] as string).trim().toLowerCase();
  return MEDIA_TYPE.test(essence) ? essence : 'text/plain';
}

/** The bytes of a body as UTF-8, its escapes undone; tabs and newlines, which a URL cannot have, are left out. */
function unescapePercent(body: string): Uint8Array {
  const source = Buffer.from(body, 'utf8');
  const target = Buffer.allocUnsafe(source.length);
  let length = 0;
  for (let at = 0; at < source.length; at += 1) {
    let byte = source[at] as number;
    if (byte === 0x09 || byte === 0x0a || byte === 0x0d) continue;
    if (byte === 0x25) {
      const [high, low] = [hexDigit(source[at + 1]), hexDigit(source[at + 2])];
      if (high >= 0 && low >= 0) {
        byte = high * 16 + low;
        at += 2;
      }
    }
    target[length] = byte;
    length += 1;
  }
  return target.subarray(0, length);
}

function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** https://infra.spec.whatwg.org/#forgiving-base64-decode */
function decodeBase64(encoded: Uint8Array): Uint8Array | undefined {
  const text = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength)
    .toString('latin1')
    .replace(/[\t\n\f\r ]+/g, '');
  const unpadded = text.length % 4 === 0 ? text.replace(/={1,2}$/, '') : text;
  if (unpadded.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(unpadded)) return undefined;
  return Buffer.from(unpadded, 'base64');
}
