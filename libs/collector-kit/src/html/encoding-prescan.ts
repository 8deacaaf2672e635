/**
 * What a document says of its own encoding in its first bytes: the WHATWG "prescan a byte stream to determine
 * its encoding" algorithm, with its XML-declaration fallback.
 * https://html.spec.whatwg.org/multipage/parsing.html#prescan-a-byte-stream-to-determine-its-encoding
 */

/** The standard suggests 1024; pages that put scripts before their meta are common, so look further. */
const PRESCAN_BYTES = 8192;

/**
 * The WHATWG name of an encoding label (`latin1` → `windows-1252`), or undefined for a label that no browser
 * knows or that the standard maps to "replacement" (`iso-2022-kr`, `hz-gb-2312`): those never decode as text.
 */
export function encodingName(label: string): string | undefined {
  try {
    return new TextDecoder(label).encoding;
  } catch {
    return undefined;
  }
}

/** The encoding declared by `<meta charset>`, `<meta http-equiv=content-type>` or an XML declaration. */
export function prescanEncoding(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, PRESCAN_BYTES));
  const text = head.toString('latin1');
  if (text.startsWith('<\0?\0x\0')) return 'utf-16le';
  if (text.startsWith('\0<\0?\0x')) return 'utf-16be';
  return scanMarkup(text) ?? xmlEncoding(text);
}

/** `charset=` of a Content-Type or meta `content`: the standard's "extracting a character encoding". */
export function charsetOf(content: string): string | undefined {
  const match = /charset[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)"|'([^']*)'|([^"'\s;][^\s;]*))/i.exec(content);
  return match?.[1] ?? match?.[2] ?? match?.[3];
}

function scanMarkup(text: string): string | undefined {
  let at = 0;
  while (at < text.length) {
    at = text.indexOf('<', at);
    if (at < 0) return undefined;
    if (text.startsWith('<!--', at)) {
      const end = text.indexOf('-->', at + 2);
      if (end < 0) return undefined;
      at = end + 3;
    } else if (/^<meta[\s/]/i.test(text.slice(at, at + 6))) {
      const tag = readAttributes(text, at + 5);
      const found = encodingOfMeta(tag.attributes);
      if (found !== undefined) return found;
      at = tag.end;
    } else if (/^<\/?[a-z]/i.test(text.slice(at, at + 3))) {
      let name = at + 1;
      while (name < text.length && !/[\s>]/.test(text.charAt(name))) name += 1;
      at = readAttributes(text, name).end;
    } else if (/^<[!/?]/.test(text.slice(at, at + 2))) {
      const end = text.indexOf('>', at);
      if (end < 0) return undefined;
      at = end + 1;
    } else {
      at += 1;
    }
  }
  return undefined;
}

function encodingOfMeta(attributes: Map<string, string>): string | undefined {
  const direct = attributes.get('charset');
  let encoding: string | undefined;
  if (direct !== undefined) {
    encoding = encodingName(direct);
  } else if (attributes.get('http-equiv')?.toLowerCase() === 'content-type') {
    const label = charsetOf(attributes.get('content') ?? '');
    encoding = label === undefined ? undefined : encodingName(label);
  }
  if (encoding === undefined) return undefined;
  // A meta that could be read byte by byte is no UTF-16, whatever it says.
  if (encoding === 'utf-16le' || encoding === 'utf-16be') return 'utf-8';
  return encoding === 'x-user-defined' ? 'windows-1252' : encoding;
}

/** Attributes from `at` to the end of the tag; the first of equal names counts. */
function readAttributes(text: string, at: number): { attributes: Map<string, string>; end: number } {
  const attributes = new Map<string, string>();
  const attribute = /[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)?))?/y;
  for (;;) {
    attribute.lastIndex = at;
    const match = attribute.exec(text);
    if (match === null || attribute.lastIndex === at) break;
    at = attribute.lastIndex;
    const name = (match[1] ?? '').toLowerCase();
    if (!attributes.has(name)) attributes.set(name, match[2] ?? match[3] ?? match[4] ?? '');
  }
  const end = text.indexOf('>', at);
  return { attributes, end: end < 0 ? text.length : end + 1 };
}

function xmlEncoding(text: string): string | undefined {
  const declaration = /^<\?xml[^>]*?[\s"']encoding\s*=\s*(?:"([^"]*)"|'([^']*)')/.exec(text);
  const label = declaration?.[1] ?? declaration?.[2];
  const encoding = label === undefined ? undefined : encodingName(label);
  return encoding === 'utf-16le' || encoding === 'utf-16be' ? 'utf-8' : encoding;
}
