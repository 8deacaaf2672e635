/** What must never reach a log, a fault or an error report, wherever in a value it sits. */
import { redactText as redactUrls } from '@magpie/domain';

/** The same mark as in the URLs that the domain redacts. */
export const REDACTED = '…';

/** Last words of names whose value is a secret: `x-api-key`, `accessToken`, `MAGPIE_SECRET`, `Set-Cookie`. */
const SECRET_WORDS = new Set([
  'authorization',
  'auth',
  'password',
  'passwd',
  'pass',
  'pwd',
  'passphrase',
  'token',
  'tokens',
  'key',
  'keys',
  'apikey',
  'apikeys',
  'secret',
  'secrets',
  'cookie',
  'cookies',
  'credential',
  'credentials',
  'signature',
  'sig',
  'jwt',
]);

/** Names that end in such a word and hold no secret. */
const HARMLESS = new Set(['routing key', 'step key', 'public key', 'page token', 'next page token']);

const judged = new Map<string, boolean>();

/** Whether the value under this name is a secret by its name: the last of its words decides, numbers aside. */
export function isSecretName(name: string): boolean {
  const known = judged.get(name);
  if (known !== undefined) return known;
  const words = name
    .replace(/%(?:5f|2d|2e|5b|5d)/gi, '_')
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .map((word) => word.replace(/\d+$/, ''))
    .filter((word) => word !== '');
  const secret = SECRET_WORDS.has(words.at(-1) ?? '') && !HARMLESS.has(words.join(' '));
  // Names are few, but for those that strangers make up.
  if (judged.size < 1000 && name.length < 100) judged.set(name, secret);
  return secret;
}

/**
 * What every text with a secret in it has: a sign of user information, a percent escape, or a piece of a secret's
 * name (ours and the domain's for URLs). Most lines have none of it, and looking for it is cheap.
 */
const SUSPECT =
  /@|%|key|token|secret|passw?|pwd|auth|cookie|credential|sig|jwt|basic|bearer|digest|negotiate|session|sid=|hmac|policy|pin=|accessid|x-/i;

/** Whether a text may hold a secret; false is certain. */
export function mayHoldSecret(text: string): boolean {
  return SUSPECT.test(text);
}

const ENCODED_USERINFO = /(%3a%2f%2f)(?:(?!%2f|%40)[^\s/?#"'<>\\]){1,1000}(%40)/gi;
const COOKIE = /\b((?:set-)?cookie["']?\s{0,3}[:=]\s{0,3}["']?)[^\r\n"']{1,4000}/gi;
const SCHEMES = 'basic|bearer|digest|negotiate';
const SCHEME_TOKEN = new RegExp(`\\b(${SCHEMES})(\\s+)[\\w.~+/=-]{6,}`, 'gi');
const NAME = /([a-z](?:(?!%3d|%3a)[\w.[\]%-]){0,60})(?:\\{0,3}["'])?\s{0,2}(?:[=:]|%3d|%3a)\s{0,2}/gi;
const VALUE =
  /\\{1,3}"[^"]{1,4000}"|"[^"]{1,4000}"|'[^']{1,4000}'|(?:(?!%26|%23)[^\s&#;,"'<>\\)}\]]){1,4000}/iy;
const NO_SECRET = new RegExp(`^(?:${SCHEMES}|….*|//.*)$`, 'i');

/**
 * The text without credentials of URLs (`amqp://user:pass@host`), secret parameters (`?access_token=…`,
 * `"password": "…"`, percent-encoded ones too), cookies, and authorization schemes (`Bearer …`).
 * Linear in the text's length; applying it again changes nothing.
 */
export function redactText(text: string): string {
  if (!mayHoldSecret(text)) return text;
  return redactAssignments(
    redactUrls(text)
      .replace(ENCODED_USERINFO, `$1${REDACTED}$2`)
      .replace(COOKIE, `$1${REDACTED}`)
      .replace(SCHEME_TOKEN, `$1$2${REDACTED}`),
  );
}

function redactAssignments(text: string): string {
  let hidden = '';
  let done = 0;
  for (const { 0: match, 1: name, index } of text.matchAll(NAME)) {
    const from = index + match.length;
    if (from <= done || !isSecretName(name ?? '')) continue;
    VALUE.lastIndex = from;
    const value = VALUE.exec(text)?.[0];
    if (value === undefined || NO_SECRET.test(value)) continue;
    hidden += text.slice(done, from) + REDACTED;
    done = from + value.length;
  }
  return hidden + text.slice(done);
}

/**
 * A copy of a JSON-like value without secrets: by name (whatever the value is, except null, booleans and the number
 * under a plural such as `tokens: 5`) and in every text by {@link redactText}. Depth is bounded: what lies deeper than
 * 30 levels is replaced.
 */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > 30) return '[too deep]';
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      redactText(name),
      isSecretName(name) && !isHarmlessValue(name, item) ? REDACTED : redactValue(item, depth + 1),
    ]),
  );
}

function isHarmlessValue(name: string, value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && /s$/i.test(name))
  );
}
