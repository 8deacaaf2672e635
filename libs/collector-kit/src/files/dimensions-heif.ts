import type { ImageSize } from './dimensions.ts';

type Box = { type: string; start: number; end: number };
type Property = { type: string; width: number; height: number; quarterTurns: number };

/** Boxes and properties looked at before a file counts as damaged. */
const MAX_ENTRIES = 10_000;

/**
 * The size of the primary picture of an AVIF or HEIF file (ISO/IEC 23008-12): the `ispe` property that `ipma` gives
 * to the item that `pitm` names, turned by its `irot`. The largest `ispe` where these don't say.
 */
export function heifSize(view: DataView): ImageSize | undefined | 'more' {
  let meta: Box | undefined;
  let at = 0;
  for (let count = 0; meta === undefined; count += 1) {
    if (count > MAX_ENTRIES) return undefined;
    if (at + 16 > view.byteLength) return 'more';
    const box = boxAt(view, at, Number.POSITIVE_INFINITY);
    if (!box) return undefined;
    if (box.type === 'meta') meta = box;
    at = box.end;
  }
  if (meta.end > view.byteLength) return 'more';

  // meta is a full box: 4 bytes of version and flags come before its children.
  const children = boxes(view, meta.start + 4, meta.end);
  const iprp = children.find((box) => box.type === 'iprp');
  if (!iprp) return undefined;
  const inIprp = boxes(view, iprp.start, iprp.end);
  const ipco = inIprp.find((box) => box.type === 'ipco');
  if (!ipco) return undefined;
  const properties = boxes(view, ipco.start, ipco.end).map((box) => property(view, box));

  const primary = primaryItem(view, children);
  const ipma = inIprp.find((box) => box.type === 'ipma');
  const indexes = primary !== undefined && ipma ? associated(view, ipma, primary) : [];
  const own = indexes.flatMap((index) => properties[index - 1] ?? []);
  const extent = own.find((each) => each.type === 'ispe') ?? largest(properties);
  if (!extent) return undefined;
  const quarterTurns = own.find((each) => each.type === 'irot')?.quarterTurns ?? 0;
  const { width, height } = extent;
  return quarterTurns % 2 === 1 ? { width: height, height: width } : { width, height };
}

/** The box whose header is at `at`; `start` is where its content begins. */
function boxAt(view: DataView, at: number, limit: number): Box | undefined {
  if (at + 8 > view.byteLength || at + 8 > limit) return undefined;
  let size = view.getUint32(at);
  let start = at + 8;
  if (size === 1) {
    if (at + 16 > view.byteLength) return undefined;
    size = Number(view.getBigUint64(at + 8));
    start = at + 16;
  } else if (size === 0) {
    size = Math.min(limit, view.byteLength) - at;
  }
  if (at + size < start || at + size > limit || !Number.isSafeInteger(at + size)) return undefined;
  const type = String.fromCharCode(...[4, 5, 6, 7].map((offset) => view.getUint8(at + offset)));
  return { type, start, end: at + size };
}

function boxes(view: DataView, start: number, end: number): Box[] {
  const found: Box[] = [];
  for (let at = start; found.length < MAX_ENTRIES;) {
    const box = boxAt(view, at, Math.min(end, view.byteLength));
    if (!box) break;
    found.push(box);
    at = box.end;
  }
  return found;
}

function property(view: DataView, { type, start, end }: Box): Property {
  const none = { type, width: 0, height: 0, quarterTurns: 0 };
  if (type === 'ispe' && end - start >= 12) {
    return { ...none, width: view.getUint32(start + 4), height: view.getUint32(start + 8) };
  }
  return type === 'irot' && end > start ? { ...none, quarterTurns: view.getUint8(start) & 3 } : none;
}

function largest(properties: Property[]): Property | undefined {
  let best: Property | undefined;
  for (const each of properties) {
    if (each.type === 'ispe' && (!best || each.width * each.height > best.width * best.height)) best = each;
  }
  return best;
}

function primaryItem(view: DataView, children: Box[]): number | undefined {
  const pitm = children.find((box) => box.type === 'pitm');
  if (!pitm || pitm.end - pitm.start < 6) return undefined;
  if (view.getUint8(pitm.start) === 0) return view.getUint16(pitm.start + 4);
  return pitm.end - pitm.start >= 8 ? view.getUint32(pitm.start + 4) : undefined;
}

/** The 1-based indexes into ipco of an item's properties. */
function associated(view: DataView, { start, end }: Box, item: number): number[] {
  if (end - start < 8) return [];
  const isLong = view.getUint8(start) >= 1;
  const isWide = (view.getUint8(start + 3) & 1) === 1;
  const idLength = isLong ? 4 : 2;
  let at = start + 8;
  for (let left = Math.min(view.getUint32(start + 4), MAX_ENTRIES); left > 0; left -= 1) {
    if (at + idLength + 1 > end) return [];
    const id = isLong ? view.getUint32(at) : view.getUint16(at);
    const count = view.getUint8(at + idLength);
    at += idLength + 1;
    const step = isWide ? 2 : 1;
    if (at + count * step > end) return [];
    if (id === item) {
      return Array.from({ length: count }, (_, index) =>
        isWide ? view.getUint16(at + index * 2) & 0x7fff : view.getUint8(at + index) & 0x7f,
      );
    }
    at += count * step;
  }
  return [];
}
