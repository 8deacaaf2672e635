/** Where in each interval a target is measured, so that all of them are not measured at once. */
import { createHash } from 'node:crypto';

/** The part of an interval over which its measurements begin; the rest is left for a round to end in. */
export const SPREAD = 0.9;

/**
 * The phase of a target, in [0, 1): the same for the same key, everywhere and always, and evenly spread over
 * whatever keys there are. The first 48 bits of the key's SHA-256.
 */
export const phaseOf = (key: string): number =>
  createHash('sha256').update(key).digest().readUIntBE(0, 6) / 2 ** 48;

/**
 * When the measurement of a phase begins, in the round that is due then. Counted from the round's own time alone,
 * so that it is the same place in every interval and nothing drifts.
 */
export const beginsAt = (dueAt: Date, phase: number, intervalMs: number): Date =>
  new Date(dueAt.getTime() + Math.floor(phase * SPREAD * intervalMs));

const MAX_KEY = 200;

/**
 * The key of what somebody named: without case, as an address's last part, without `@`. `undefined` when nothing
 * that could be a name is left.
 * @example targetKey('https://www.facebook.com/NASA/?ref=x') // 'nasa'
 */
export function targetKey(name: string): string | undefined {
  const text = name.trim();
  const address = /^https?:\/\//i.test(text) || /^[\w-]+(\.[\w-]+)+\//.test(text);
  const last = address ? lastPart(/^https?:/i.test(text) ? text : `https://${text}`) : text;
  const key = last?.replace(/^@/, '').normalize('NFC').toLowerCase();
  return key === undefined || key === '' || key.length > MAX_KEY || /[\s/?#\p{Cc}]/u.test(key)
    ? undefined
    : key;
}

/** Of `…/profile.php?id=1`, the id. */
function lastPart(address: string): string | undefined {
  const url = URL.parse(address);
  if (url === null) return undefined;
  const part = url.pathname.split('/').findLast((one) => one !== '');
  const id = url.searchParams.get('id');
  if (id !== null && (part === undefined || /\.php$/.test(part))) return id;
  try {
    return part === undefined ? undefined : decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

const DAY_MS = 86_400_000;

/**
 * When a target that could not be measured is looked at again: after a number of intervals that doubles with each
 * look in vain, 7 days at most (but an interval at least), counted from the round's own time.
 * @param misses looks in vain so far, this one among them
 */
export function lookAgainAt(dueAt: Date, misses: number, intervalMs: number): Date {
  const most = Math.max(1, Math.floor((7 * DAY_MS) / intervalMs));
  return new Date(dueAt.getTime() + Math.min(most, 2 ** Math.min(30, misses)) * intervalMs);
}
