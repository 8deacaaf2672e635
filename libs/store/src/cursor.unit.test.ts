import fc from 'fast-check';
import { decodeCursor, encodeCursor, InvalidCursor } from './cursor.ts';

const PLACE = ['number', 'text'] as const;

describe('a cursor', () => {
  it('comes back as the key that it was made of', () => {
    const number = fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((value) => (Object.is(value, -0) ? 0 : value));
    fc.assert(
      fc.property(number, fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme-ascii' }), (order, id) => {
        const cursor = encodeCursor('items', [order, id]);
        expect(cursor).toMatch(/^[\w-]+$/);
        expect(decodeCursor('items', PLACE, cursor)).toEqual([order, id]);
      }),
    );
  });

  it('is nothing where there is none', () => {
    expect(decodeCursor('items', PLACE, undefined)).toBeUndefined();
  });

  it('is refused when it was not made by the list', () => {
    const good = encodeCursor('items', [1, 'x']);
    const raw = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const bad of [
      '',
      'x',
      '!',
      good.slice(0, -2),
      `${good}A`,
      `${good}==`,
      encodeCursor('jobs', [1, 'x']),
      encodeCursor('items', [1]),
      encodeCursor('items', [1, 'x', 'y']),
      encodeCursor('items', ['1', 'x']),
      encodeCursor('items', [1, '']),
      raw(['items', null, 'x']),
      raw(['items', { $gt: 0 }, 'x']),
      raw(['items', 1, { $ne: null }]),
      raw({ 0: 'items' }),
      raw(null),
      'a'.repeat(513),
    ])
      expect(() => decodeCursor('items', PLACE, bad)).toThrow(InvalidCursor);
  });

  it('is refused, never misread, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => decodeCursor('items', PLACE, text)).toThrow(InvalidCursor);
      }),
    );
  });
});
