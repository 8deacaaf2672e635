/** An image named in structured data. */
export type JsonLdImage = { url: string; width?: number; height?: number; alt?: string };

const MAX_DEPTH = 40;
const MAX_NODES = 50_000;
const MAX_LENGTH = 2_000_000;

/** Properties whose value is an image: an address, an ImageObject, or a list of either. */
const IMAGE_PROPERTIES = new Set([
  'image',
  'images',
  'thumbnail',
  'thumbnailUrl',
  'logo',
  'photo',
  'primaryImageOfPage',
]);

/**
 * Images in a JSON-LD script: the `image`, `thumbnailUrl`, `logo` and kin of every node, and every ImageObject's
 * `contentUrl` (or its `url` where it has none), in `@graph` and at any depth up to 40.
 *
 * Script wrappers (`<!--`, CDATA) and raw control characters inside strings are forgiven; what still isn't JSON, or
 * is longer than 2,000,000 characters, gives nothing. At most 50,000 values are looked at. Never throws.
 */
export function jsonLdImages(script: string): JsonLdImage[] {
  const found: JsonLdImage[] = [];
  let nodes = 0;
  const visit = (value: unknown, depth: number, isImage: boolean): void => {
    nodes += 1;
    if (depth > MAX_DEPTH || nodes > MAX_NODES) return;
    if (typeof value === 'string') {
      if (isImage) found.push({ url: value });
    } else if (Array.isArray(value)) {
      for (const child of value) if (isImage || isObject(child)) visit(child, depth + 1, isImage);
    } else if (isObject(value)) {
      if (isImage || isImageObject(value)) addImageObject(value, found);
      for (const [key, child] of Object.entries(value)) {
        const asImage = IMAGE_PROPERTIES.has(key);
        if (asImage || isObject(child)) visit(child, depth + 1, asImage);
      }
    }
  };
  visit(parse(script), 0, false);
  return found;
}

function parse(script: string): unknown {
  if (script.length > MAX_LENGTH) return undefined;
  const text = script
    .replace(/^\s*(?:\/\/\s*)?(?:<!--|<!\[CDATA\[|\/\*\s*<!\[CDATA\[\s*\*\/)/, '')
    .replace(/(?:\/\/\s{0,20})?(?:-->|\]\]>|\/\*\s{0,20}\]\]>\s{0,20}\*\/)\s{0,100};?\s{0,100}$/, '');
  try {
    return JSON.parse(text);
  } catch {
    // Raw newlines and tabs inside strings are the commonest fault; between tokens a space is as good.
    try {
      return JSON.parse(text.replace(/[\u0000-\u001f]+/g, ' ').replace(/;\s?$/, ''));
    } catch {
      return undefined;
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isImageObject(node: Record<string, unknown>): boolean {
  const type = node['@type'];
  const types: unknown[] = Array.isArray(type) ? type : [type];
  return types.some((name) => typeof name === 'string' && /(?:^|[/:])ImageObject$/.test(name));
}

function addImageObject(node: Record<string, unknown>, found: JsonLdImage[]): void {
  const urls = [strings(node['contentUrl']), strings(node['url'])].find((list) => list.length > 0) ?? [];
  const width = pixels(node['width']);
  const height = pixels(node['height']);
  const alt = strings(node['caption'])[0];
  for (const url of urls) {
    found.push({
      url,
      ...(width !== undefined && { width }),
      ...(height !== undefined && { height }),
      ...(alt !== undefined && { alt }),
    });
  }
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return value.trim() === '' ? [] : [value];
  return Array.isArray(value) ? value.slice(0, 100).filter((entry) => typeof entry === 'string') : [];
}

/** A length in pixels: a number, `"640"`, `"640px"`, or a QuantitativeValue of these. */
function pixels(value: unknown): number | undefined {
  const plain = isObject(value) ? value['value'] : value;
  if (typeof plain !== 'number' && typeof plain !== 'string') return undefined;
  const match = /^\s*(\d{1,6})(?:\.\d+)?\s*(?:px)?\s*$/i.exec(String(plain).slice(0, 30));
  return match && Number(match[1]) > 0 ? Number(match[1]) : undefined;
}
