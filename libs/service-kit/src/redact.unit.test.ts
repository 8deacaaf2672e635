import fc from 'fast-check';
import { isSecretName, redactText, redactValue } from './redact.ts';

const CANARY = 'c4n4ry-s3cret';

describe('redactText', () => {
  it.each([
    `connect amqp://magpie:${CANARY}@127.0.0.1:5672/%2f failed`,
    `GET https://${CANARY}@example.org/ failed`,
    `https://api.example.org/v3/search?q=a&access_token=${CANARY}&part=b`,
    `https://api.example.org/v3/search?access%5Ftoken=${CANARY}`,
    `https://example.org/login?next=https%3A%2F%2Fu%3A${CANARY}%40h%2F`,
    `https://example.org/login?next=https%3A%2F%2Fh%2F%3Fapi_key%3D${CANARY}%26a%3Db`,
    `Authorization: Bearer ${CANARY}`,
    `authorization: Basic ${Buffer.from(CANARY).toString('base64')}`,
    `{"client_secret":"${CANARY} and more ${CANARY}"}`,
    String.raw`body was "{\"password\":\"${CANARY} ${CANARY}\"}"`,
    `cookie: session=${CANARY}; other=${CANARY}`,
    `Set-Cookie: sid=${CANARY}; Path=/`,
    `MAGPIE_SECRET=${CANARY}`,
    `apiKey2: '${CANARY} x'`,
  ])('hides the secret in %s', (text) => {
    const hidden = redactText(text);
    expect(hidden).not.toContain(CANARY);
    expect(hidden).not.toContain(Buffer.from(CANARY).toString('base64'));
    expect(hidden).toContain('…');
  });

  it.each([
    'https://example.org/a?page=2&q=monkey#key',
    'https://example.org/img@2x.png',
    'mail to someone@example.org',
    'routingKey: web-images.normal',
    'key: the pressed button'.replace('key: ', 'keyboard: '),
    'nextPageToken=CDIQAA',
    'closed tokens, keys and cookies',
  ])('leaves %s alone', (text) => {
    expect(redactText(text)).toBe(text);
  });

  it('takes no secret name for harmless at first sight', () => {
    const names = [
      'X-Amz-Signature',
      'hmac',
      'sid',
      'pin',
      'Policy',
      'session_id',
      'GoogleAccessId',
      'oauth_nonce',
    ];
    for (const name of [...names, 'pass', 'pwd', 'jwt', 'sig', '%6Bey', 'appsecret_proof', 'passphrase']) {
      expect(redactText(`https://h.example/?${name}=${CANARY}`)).not.toContain(CANARY);
    }
  });

  it('gives the same text when applied again', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('token', '=', ':', '"', ' ', 'a', '//', '@', 'https', '%3D', '&', '\\')),
        (parts) => {
          const once = redactText(parts.join(''));
          expect(redactText(once)).toBe(once);
        },
      ),
    );
  });

  it('hides a secret parameter wherever it stands among others', () => {
    const word = fc.stringMatching(/^[a-z]{1,8}$/).filter((name) => !isSecretName(name));
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word)), fc.nat(), (pairs, at) => {
        const query = pairs.map(([name, value]) => `${name}=${value}`);
        query.splice(at % (query.length + 1), 0, `key=${CANARY}`);
        expect(redactText(`https://h.example/p?${query.join('&')}`)).not.toContain(CANARY);
      }),
    );
  });
});

describe('redactValue', () => {
  it('finds secrets by name and by content, deep in objects, arrays and keys', () => {
    const hidden = redactValue({
      a: { b: { c: { Authorization: CANARY, list: [{ 'x-api-key': CANARY }, [`?token=${CANARY}`]] } } },
      credentials: { youtube: CANARY },
      password: 12345678,
      [`https://u:${CANARY}@h/`]: 1,
    });
    expect(JSON.stringify(hidden)).not.toContain(CANARY);
    expect(hidden).toMatchObject({ credentials: '…', password: '…' });
  });

  it('keeps what only looks like a secret', () => {
    const value = { tokens: 5, hasCookie: true, key: null, routingKey: 'a.b', keyId: 'k1', monkey: 'm' };
    expect(redactValue(value)).toEqual(value);
  });

  it('ends on very deep values', () => {
    let deep: unknown = CANARY;
    for (let i = 0; i < 10_000; i++) deep = { deep };
    expect(JSON.stringify(redactValue(deep))).not.toContain(CANARY);
  });
});
