/** Bytes in any encoding, normalised: UTF-8 without byte order mark. */
import { readBytes, type Piece } from './bytes.ts';
import { ReadFault } from './row.ts';

// Where the file's encoding does not allow what stands there, so does UTF-8 not allow this; as long as U+FFFD is,
// so that offsets do not depend on how the text was cut.
const INVALID = Buffer.from([0xff, 0xff, 0xff]);
const REPLACEMENT = '\ufffd';

export interface Decoder {
  /** May give an empty buffer. */
  decode(bytes: Buffer): Buffer;
  /** What is left of a character that is cut off. */
  end(): Buffer;
}

/** The WHATWG name of an encoding. @throws ReadFault unknown_encoding */
export function encodingName(label: string): string {
  try {
    return new TextDecoder(label.trim()).encoding;
  } catch {
    throw new ReadFault(
      'unknown_encoding',
      `${JSON.stringify(label.slice(0, 40))} is not an encoding that is known`,
    );
  }
}

/** @throws ReadFault unknown_encoding */
export function decoderOf(encoding: string): Decoder {
  switch (encoding) {
    case 'utf-8':
      return { decode: (bytes) => bytes, end: () => Buffer.alloc(0) };
    case 'utf-16le':
    case 'utf-16be':
      return new Utf16Decoder(encoding === 'utf-16be');
    default:
      return new LegacyDecoder(encodingName(encoding));
  }
}

/** Encodings of one or several bytes a character; what they do not allow the standard makes U+FFFD. */
class LegacyDecoder implements Decoder {
  readonly #decoder: InstanceType<typeof TextDecoder>;
  constructor(encoding: string) {
    this.#decoder = new TextDecoder(encoding, { ignoreBOM: true });
  }
  decode(bytes: Buffer): Buffer {
    return marked(this.#decoder.decode(bytes, { stream: true }), REPLACEMENT);
  }
  end(): Buffer {
    return marked(this.#decoder.decode(), REPLACEMENT);
  }
}

/** By hand, because here U+FFFD may stand in the file, and what is invalid are lone surrogates. */
class Utf16Decoder implements Decoder {
  readonly #swap: boolean;
  #rest = Buffer.alloc(0);
  constructor(swap: boolean) {
    this.#swap = swap;
  }
  decode(bytes: Buffer): Buffer {
    const all = Buffer.concat([this.#rest, bytes]);
    let whole = all.length & ~1;
    const high = all[whole - (this.#swap ? 2 : 1)];
    // The first half of a pair waits for its second.
    if (whole > 0 && high! >= 0xd8 && high! <= 0xdb) whole -= 2;
    this.#rest = Buffer.from(all.subarray(whole));
    const units = all.subarray(0, whole);
    if (this.#swap) units.swap16();
    const text = units.toString('utf16le');
    return text.isWellFormed() ? Buffer.from(text) : marked(text, /\p{Surrogate}/u);
  }
  end(): Buffer {
    return this.#rest.length === 0 ? this.#rest : INVALID;
  }
}

function marked(text: string, invalid: string | RegExp): Buffer {
  const parts = text.split(invalid);
  if (parts.length === 1) return Buffer.from(text);
  return Buffer.concat(
    parts.flatMap((part, i) => (i === 0 ? [Buffer.from(part)] : [INVALID, Buffer.from(part)])),
  );
}

const BOMS = [
  ['utf-8', Buffer.from([0xef, 0xbb, 0xbf])],
  ['utf-16le', Buffer.from([0xff, 0xfe])],
  ['utf-16be', Buffer.from([0xfe, 0xff])],
] as const;
const LONGEST_MARK = 3;

/** What the byte order mark says, and its length; of UTF-32, which begins like UTF-16, no file comes here. */
export function byteOrderMark(bytes: Buffer): { encoding: string; length: number } | undefined {
  for (const [encoding, mark] of BOMS) {
    if (bytes.subarray(0, mark.length).equals(mark)) return { encoding, length: mark.length };
  }
  return undefined;
}

/**
 * The text of a file from an offset in it on. A file that is UTF-8 and not compressed is read from there; any other
 * is read from its beginning, and what comes before is dropped.
 * @throws ReadFault too_large, bad_gzip, unknown_encoding
 */
export async function* readText(
  path: string,
  file: { gzip: boolean; encoding: string },
  { from, maxBytes, signal }: { from: number; maxBytes: number; signal: AbortSignal },
): AsyncGenerator<Piece> {
  const decoder = decoderOf(file.encoding);
  if (file.encoding === 'utf-8' && !file.gzip && from > 0) {
    const mark = await markOf(path, signal);
    const start = mark?.encoding === 'utf-8' ? mark.length : 0;
    yield* readBytes(path, { gzip: false, from: start + from, maxBytes, signal });
    return;
  }
  let read = 0;
  let drop = from;
  const after = (text: Buffer): Buffer => {
    const cut = Math.min(drop, text.length);
    drop -= cut;
    return text.subarray(cut);
  };
  // The first bytes are held until they are enough to know whether they are a mark.
  let head: Buffer | undefined = Buffer.alloc(0);
  const unmarked = (bytes: Buffer) => {
    const mark = byteOrderMark(bytes);
    return mark?.encoding === file.encoding ? bytes.subarray(mark.length) : bytes;
  };
  for await (const piece of readBytes(path, { gzip: file.gzip, from: 0, maxBytes, signal })) {
    ({ read } = piece);
    let { bytes } = piece;
    if (head !== undefined) {
      bytes = Buffer.concat([head, bytes]);
      head = bytes.length < LONGEST_MARK ? bytes : undefined;
      if (head !== undefined) continue;
      bytes = unmarked(bytes);
    }
    yield { bytes: after(decoder.decode(bytes)), read };
  }
  if (head !== undefined) yield { bytes: after(decoder.decode(unmarked(head))), read };
  yield { bytes: after(decoder.end()), read };
}

async function markOf(
  path: string,
  signal: AbortSignal,
): Promise<{ encoding: string; length: number } | undefined> {
  for await (const { bytes } of readBytes(path, { gzip: false, from: 0, maxBytes: Infinity, signal }))
    return byteOrderMark(bytes);
  return undefined;
}
