/**
 * Cursors of lists: the sort key of a page's last row, base64url of JSON. Opaque to clients, checked when they
 * come back: one of another list, cut short or made up is `InvalidCursor`, never a wrong page.
 */

/** The cursor was not made by this list. */
export class InvalidCursor extends Error {
  override readonly name = 'InvalidCursor';
  constructor() {
    super('the cursor is not one of this list');
  }
}

/** What one part of a sort key may be. */
export type KeyPart = 'number' | 'text';
export type Key = readonly (number | string)[];

/** The longest cursor that is looked at, in characters. */
const MAX_LENGTH = 512;

/** Writes the key after which the next page begins; `list` names the list that it belongs to. */
export const encodeCursor = (list: string, key: Key): string =>
  Buffer.from(JSON.stringify([list, ...key])).toString('base64url');

/**
 * The key that a cursor of this list stands for; undefined where there is no cursor.
 * @throws InvalidCursor
 */
export function decodeCursor<K extends Key>(
  list: string,
  parts: readonly KeyPart[],
  cursor: string | undefined,
): K | undefined {
  if (cursor === undefined) return undefined;
  if (cursor.length > MAX_LENGTH || !/^[\w-]+$/.test(cursor)) throw new InvalidCursor();
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw new InvalidCursor();
  }
  if (!Array.isArray(value) || value.length !== parts.length + 1 || value[0] !== list)
    throw new InvalidCursor();
  const key = value.slice(1) as unknown[];
  const fits = parts.every((part, i) =>
    part === 'number' ? Number.isFinite(key[i]) : typeof key[i] === 'string' && key[i] !== '',
  );
  if (!fits || encodeCursor(list, key as unknown as Key) !== cursor) throw new InvalidCursor();
  return key as unknown as K;
}
