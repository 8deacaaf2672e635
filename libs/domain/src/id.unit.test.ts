import fc from 'fast-check';
import { idOf, newId, nextOrder } from './id.ts';

test('new ids are of one form, unlike each other, and sort by the time they were made', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 45 }), fc.integer({ min: 1, max: 1e6 }), (at, later) => {
      const [a, b] = [newId(at), newId(at + later)];
      expect(a).toMatch(/^[0-9a-v]{22}$/);
      expect(a < b).toBe(true);
    }),
  );
  expect(new Set(Array.from({ length: 10_000 }, () => newId(0))).size).toBe(10_000);
});

test('equal parts give equal ids, other parts other ids', () => {
  expect(idOf('image', 'http://a.test/1.png')).toBe(idOf('image', 'http://a.test/1.png'));
  expect(idOf('image', 'http://a.test/1.png')).toMatch(/^[0-9a-v]{32}$/);
  const seen = new Set([idOf('a', 'b'), idOf('ab', ''), idOf('a'), idOf('b', 'a'), idOf('', 'ab')]);
  expect(seen.size).toBe(5);
});

test('orders only grow', () => {
  const orders = Array.from({ length: 10_000 }, nextOrder);
  expect(orders.every((order, i) => i === 0 || order > (orders[i - 1] as number))).toBe(true);
  expect(Number.isSafeInteger(orders.at(-1))).toBe(true);
});
