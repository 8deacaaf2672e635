import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const VERSION = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** The sealed text was made with another secret, for another owner, or was changed. */
export class UnsealError extends Error {
  override readonly name = 'UnsealError';
  constructor() {
    super('the sealed text cannot be opened');
  }
}

const keyOf = (secret: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, 'magpie', 'credentials', 32));

/**
 * Seals a text with AES-256-GCM (NIST SP 800-38D): only who has `secret` can open it, and only for the same `owner`,
 * so that a sealed text cannot be passed off as another's. The key is derived by HKDF (RFC 5869), the nonce is random.
 */
export function seal(secret: string, owner: string, text: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret), iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(owner));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return `${VERSION}.${Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url')}`;
}

/** Opens what `seal` made. @throws UnsealError */
export function unseal(secret: string, owner: string, sealed: string): string {
  try {
    const [version, rest = ''] = sealed.split('.', 2);
    if (version !== VERSION) throw new UnsealError();
    const bytes = Buffer.from(rest, 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', keyOf(secret), bytes.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(owner));
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    return decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    throw new UnsealError();
  }
}
