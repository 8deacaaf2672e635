import fc from 'fast-check';
import { Lines } from './lines.ts';
import { dispositionName, fileName, mediaType } from './names.ts';
import { Pace } from './pace.ts';
import { Room } from './room.ts';

describe('the name of a file', () => {
  it.each([
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\ada\\Räder.csv', 'Räder.csv'],
    ['a\u202Egpj.exe', 'agpj.exe'],
    ['..', undefined],
    ['.bashrc', 'bashrc'],
    ['x\r\nSet-Cookie: a', 'xSet-Cookie a'],
    ['', undefined],
    [undefined, undefined],
  ])('%j', (given, name) => expect(fileName(given)).toBe(name));

  it('is never a path, hidden, or too long, and keeps its ending', () => {
    const text = fc.string({ unit: 'binary', maxLength: 400 });
    fc.assert(
      fc.property(text, (given) => {
        const name = fileName(given);
        if (name === undefined) return;
        expect(name).not.toMatch(/[/\\\u0000-\u001f"]|^\./);
        expect(name.length).toBeLessThanOrEqual(200);
        expect(name.isWellFormed()).toBe(true);
      }),
    );
    expect(fileName(`${'x'.repeat(300)}.csv.gz`)).toMatch(/^x+\.csv\.gz$/);
  });

  it.each([
    ['attachment; filename="a \\"b\\".csv"', 'a b.csv'],
    ['attachment; filename=a.csv', 'a.csv'],
    [`attachment; filename="x"; filename*=UTF-8''R%C3%A4der.csv`, 'Räder.csv'],
    [`attachment; filename*=UTF-8''%FF; filename="x.csv"`, 'x.csv'],
    ['attachment', undefined],
  ])('in %s', (header, name) => expect(dispositionName(header)).toBe(name));
});

it.each([
  ['Text/CSV; charset=utf-8', 'text/csv'],
  ['application/x-www-form-urlencoded', 'application/octet-stream'],
  ['text/html\r\nx: y', 'application/octet-stream'],
  [undefined, 'application/octet-stream'],
])('media type %j', (given, type) => expect(mediaType(given)).toBe(type));

it('lines are counted alike however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.constantFrom(10, 65, 66), { maxLength: 50 })), (chunks) => {
      const lines = new Lines();
      const counted = chunks.reduce((sum, chunk) => sum + lines.in(Uint8Array.from(chunk)), 0);
      expect(counted).toBe(chunks.flat().filter((byte) => byte === 10).length);
    }),
  );
  for (const binary of [
    [0x1f, 0x8b, 10, 10],
    [65, 10, 0, 10],
  ])
    expect(new Lines().in(Uint8Array.from(binary))).toBe(0);
});

it('pace is that of the last five seconds', () => {
  const pace = new Pace(0, 0, 0);
  expect(pace.at(1000, 10, 1000)).toEqual({ bytes: 1000, rows: 10 });
  for (let s = 2; s <= 10; s++) pace.at(1000, 10, s * 1000);
  expect(pace.at(1000, 10, 11_000)).toEqual({ bytes: 0, rows: 0 });
  expect(pace.at(6000, 10, 12_000)).toEqual({ bytes: 1000, rows: 0 });
});

it('room is never given beyond what is spare, whatever is asked for', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 10_000 }),
      fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 30 }),
      async (spare, chunks) => {
        let written = 0;
        const room = new Room('/', 500, async () => 500 + spare - written);
        for (const chunk of chunks) if (await room.has(chunk)) written += chunk;
        expect(written).toBeLessThanOrEqual(spare);
      },
    ),
  );
});
