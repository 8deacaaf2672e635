/**
 * The one canonical form of a URL. Two inputs are the same source exactly when their canonical forms are
 * equal, so these rules decide what is downloaded once.
 *
 * 1. Parsed by the WHATWG URL standard: white space and control characters around it are dropped, tabs and
 *    newlines inside it too, `\` counts as `/`.
 * 2. Scheme and host in lower case; an international name in its ASCII (punycode) form; a number that means
 *    an IPv4 address (decimal, hex, octal, full-width or circled digits) as four decimal parts; IPv6 compressed.
 * 3. The scheme's default port is dropped. A trailing dot of the host is kept.
 * 4. The fragment is dropped.
 * 5. Dot segments are resolved, `%2e` counting as a dot; an empty path is `/`; empty segments are kept.
 * 6. Percent-encoding: hex digits in upper case, unreserved characters (letters, digits, `-._~`) decoded,
 *    everything else as it was written. What the URL standard must encode is encoded.
 * 7. The query keeps its order and its repeated names. `?` with nothing behind it is dropped, as it is never sent.
 */

export type UrlErrorCode =
  'invalid_url' | 'scheme_not_allowed' | 'credentials_in_url' | 'url_too_long' | 'blocked_address';

/** A URL that is refused before anything is sent. The message names no secrets. */
export class UrlError extends Error {
  readonly code: UrlErrorCode;
  constructor(code: UrlErrorCode, message: string) {
    super(message);
    this.name = 'UrlError';
    this.code = code;
  }
}

/** The longest URL accepted, in characters, as written and in canonical form. */
export const MAX_URL_LENGTH = 8192;

const LEADING_SCHEME = /^[\u0000-\u0020]*([a-z][a-z0-9+.-]{0,30}):/i;
const ESCAPE = /%[0-9A-Fa-f]{2}/;

/**
 * The canonical form of `input`, resolved against `base` when given. Pure ASCII, absolute, http or https,
 * at most 8192 characters. Idempotent.
 * @throws UrlError `invalid_url`, `scheme_not_allowed`, `credentials_in_url` or `url_too_long`
 */
export function canonicalUrl(input: string, base?: string): string {
  return canonicalHref(parseHttpUrl(input, base));
}

/**
 * Parses like {@link canonicalUrl}, with the same errors, and returns the parts. The parts themselves are as
 * the URL standard leaves them; {@link canonicalUrl} is what to compare.
 */
export function parseHttpUrl(input: string, base?: string): URL {
  const scheme = LEADING_SCHEME.exec(input.length > 64 ? input.slice(0, 64) : input)?.[1];
  if (scheme !== undefined) assertScheme(scheme.toLowerCase());
  if (input.length > MAX_URL_LENGTH) throw tooLong();
  const url = URL.parse(input, base);
  if (url === null) throw new UrlError('invalid_url', `not a valid URL: ${clip(redactUrl(input))}`);
  assertScheme(url.protocol.slice(0, -1));
  if (url.username !== '' || url.password !== '') {
    throw new UrlError('credentials_in_url', 'a URL must not carry a user name or password');
  }
  return url;
}

function assertScheme(scheme: string): void {
  if (scheme !== 'http' && scheme !== 'https') {
    throw new UrlError('scheme_not_allowed', `only http and https are fetched, not ${scheme}:`);
  }
}

function canonicalHref(url: URL): string {
  const href = `${url.protocol}//${url.host}${normalEscapes(url.pathname)}${normalEscapes(url.search)}`;
  if (href.length > MAX_URL_LENGTH) throw tooLong();
  return href;
}

function tooLong(): UrlError {
  return new UrlError('url_too_long', `a URL may have at most ${MAX_URL_LENGTH} characters`);
}

/**
 * Rule 6, RFC 3986 section 6.2.2. A hex digit is left encoded where decoding it behind a stray `%` would
 * make an escape that was not there (`%%32e`): otherwise a second pass would change the result.
 * @internal shared with the robots rules, which are compared in the same form
 */
export function normalEscapes(text: string): string {
  if (!ESCAPE.test(text)) return text;
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    const hex = char === '%' ? text.slice(i + 1, i + 3) : '';
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) {
      out += char;
      continue;
    }
    const decoded = String.fromCharCode(Number.parseInt(hex, 16));
    const keep =
      !/[A-Za-z0-9._~-]/.test(decoded) ||
      (/[0-9A-Fa-f]/.test(decoded) && /%[0-9A-Fa-f]?$/.test(out.slice(-2)));
    out += keep ? `%${hex.toUpperCase()}` : decoded;
    i += 2;
  }
  return out;
}

/** `host:port` of a URL, the port always written: the key of politeness towards a server. */
export function hostKey(url: string | URL): string {
  const { hostname, port, protocol } = typeof url === 'string' ? parseHttpUrl(url) : url;
  return `${hostname}:${port === '' ? (protocol === 'https:' ? '443' : '80') : port}`;
}

const REDACTED = '…';

// Every name that ends like these, and these alone; `pageToken` and the like are positions, not secrets.
const SECRET_NAME =
  /^(?:key|sig|auth|authorization|pass|pwd|pin|jwt|sid|session(?:_?id)?|hmac|policy|key-pair-id|awsaccesskeyid|googleaccessid|appsecret_proof|oauth_.*|x-(?:amz|goog|oss|cos)-.*)$|(?:token|secret|passwo?r?d|signature|credentials?|(?:api|access|private|subscription|account|secret|auth)[-_.]?key)$/;
const NOT_SECRET = /^(?:(?:next|prev|previous)?_?page_?token|continuation_?token)$/;

function isSecretName(raw: string): boolean {
  let name = raw.toLowerCase();
  if (name.includes('%')) name = normalEscapes(name).toLowerCase();
  return SECRET_NAME.test(name) && !NOT_SECRET.test(name);
}

/**
 * A URL fit for a log or an error: user name and password, and the values of parameters that are known to be
 * secret (tokens, keys, signatures, passwords, `X-Amz-*`), become `…`. Works on text that is no valid URL too.
 */
export function redactUrl(url: string): string {
  return redactText(url.replace(/^(\s*https?:[/\\]*|.{0,32}?(?:\/\/|\\\\))[^/?#\\]*@/i, `$1${REDACTED}@`));
}

/** The same for every URL, of any scheme, and every `?name=value` within a text. */
export function redactText(text: string): string {
  return redactParameters(text.replace(/(:\/\/)[^\s/?#\\"<>`]*@/g, `$1${REDACTED}@`));
}

// Parameters as they stand, and those of a URL that is itself a parameter's value (`?next=…%3Ftoken%3D…`): where each
// begins, and how far its value goes.
const PARAMETER = /[?&;#]([^=&;#?\s"<>]{1,64})=/g;
const VALUE = /[^&#\s"<>`]+/y;
const NESTED_PARAMETER = /(?:%3F|%26|%23)([A-Za-z0-9._-]{1,64})%3D/gi;
const NESTED_VALUE = /(?:(?!%26|%23)[^&#\s"<>`])+/iy;

const redactParameters = (text: string): string =>
  hideSecrets(hideSecrets(text, NESTED_PARAMETER, NESTED_VALUE), PARAMETER, VALUE);

/** What looks like a parameter may be the value of one before it (`?next=/a?token=…`), or of one that is hidden whole. */
function hideSecrets(text: string, parameter: RegExp, value: RegExp): string {
  let hidden = '';
  let from = 0;
  for (const match of text.matchAll(parameter)) {
    const [start, name = ''] = match;
    value.lastIndex = match.index + start.length;
    if (match.index < from || !isSecretName(name) || !value.test(text)) continue;
    hidden += `${text.slice(from, match.index + start.length)}${REDACTED}`;
    from = value.lastIndex;
  }
  return hidden + text.slice(from);
}

function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
