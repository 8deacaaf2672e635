import fc from 'fast-check';
import { seal, unseal, UnsealError } from './seal.ts';

test('only the same secret and owner open what was sealed', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (secret, owner, text) => {
      const sealed = seal(secret, owner, text);
      expect(unseal(secret, owner, sealed)).toBe(text);
      expect(() => unseal(`${secret}x`, owner, sealed)).toThrow(UnsealError);
      expect(() => unseal(secret, `${owner}x`, sealed)).toThrow(UnsealError);
    }),
    { numRuns: 50 },
  );
});

test('equal texts are sealed differently, and neither shows the text', () => {
  const [one, other] = [seal('s', 'o', 'canary'), seal('s', 'o', 'canary')];
  expect(one).not.toBe(other);
  expect(Buffer.from(one.slice(3), 'base64url').includes('canary')).toBe(false);
});

test('a changed byte, a cut and rubbish are refused', () => {
  const sealed = seal('s', 'o', 'canary');
  const bytes = Buffer.from(sealed.slice(3), 'base64url');
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes);
    changed[i] = (changed[i] as number) ^ 1;
    expect(() => unseal('s', 'o', `v1.${changed.toString('base64url')}`)).toThrow(UnsealError);
  }
  for (const rubbish of ['', 'v1.', 'v2.AAAA', 'v1.AAAA', sealed.slice(0, -4)])
    expect(() => unseal('s', 'o', rubbish)).toThrow(UnsealError);
});
