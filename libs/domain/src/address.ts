/**
 * Which addresses a fetch may reach: public unicast only, after the IANA special-purpose registries for
 * IPv4 (RFC 6890) and IPv6, and whatever the operator lists as CIDRs.
 */
import ipaddr from 'ipaddr.js';
import { UrlError } from './url.ts';

/** A block of addresses: 4 or 16 bytes, host bits zero, and the prefix length in bits. */
export interface Cidr {
  readonly text: string;
  readonly bytes: readonly number[];
  readonly prefix: number;
}

/** `reason` names the block the address lies in, for people: `loopback`, `private`, `IPv4-mapped`, … */
export type AddressVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** The faults of a CIDR list, all of them. */
export class CidrError extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join('; '));
    this.name = 'CidrError';
    this.faults = faults;
  }
}

/**
 * Reads a list of CIDR blocks or single addresses separated by commas or white space; empty text is an empty
 * list. Host bits must be zero, so that nobody opens a network who meant a machine.
 * @throws CidrError naming every entry that can't be read, and why
 */
export function parseCidrs(text: string): Cidr[] {
  const faults: string[] = [];
  const blocks: Cidr[] = [];
  for (const entry of text.split(/[\s,]+/)) {
    if (entry === '') continue;
    const block = parseCidr(entry);
    if (typeof block === 'string') faults.push(`"${entry}": ${block}`);
    else blocks.push(block);
  }
  if (faults.length > 0) throw new CidrError(faults);
  return blocks;
}

function parseCidr(entry: string): Cidr | string {
  const [address = '', length, ...rest] = entry.split('/');
  const bytes = addressBytes(address);
  if (bytes === undefined || rest.length > 0) return 'is no address or CIDR block, such as 10.0.0.0/8 or ::1';
  const bits = bytes.length * 8;
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(prefix <= bits)) return `the prefix length must be a number from 0 to ${bits}`;
  const network = bytes.map((byte, i) => byte & maskByte(prefix, i));
  if (network.some((byte, i) => byte !== bytes[i])) {
    return `has bits set behind /${prefix}; write ${addressText(network)}/${prefix} or ${address}/${bits}`;
  }
  return { text: `${addressText(bytes)}/${prefix}`, bytes, prefix };
}

/** Bytes of a strictly written address (four decimal parts, or IPv6 without a zone), else undefined. */
function addressBytes(text: string): number[] | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toByteArray();
  if (text.includes(':') && !text.includes('%') && ipaddr.IPv6.isValid(text)) {
    return ipaddr.IPv6.parse(text).toByteArray();
  }
  return undefined;
}

function addressText(bytes: readonly number[]): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}

function maskByte(prefix: number, index: number): number {
  return (0xff00 >> Math.min(8, Math.max(0, prefix - index * 8))) & 0xff;
}

function contains(block: Cidr, bytes: readonly number[]): boolean {
  return (
    block.bytes.length === bytes.length &&
    block.bytes.every((byte, i) => byte === ((bytes[i] ?? 0) & maskByte(block.prefix, i)))
  );
}

type Special = readonly [reason: string, blocks: readonly Cidr[]];
const special = (reason: string, blocks: string): Special => [reason, parseCidrs(blocks)];

const SPECIAL_IPV4: readonly Special[] = [
  special('unspecified', '0.0.0.0/8'),
  special('loopback', '127.0.0.0/8'),
  special('private', '10.0.0.0/8 172.16.0.0/12 192.168.0.0/16'),
  special('link-local', '169.254.0.0/16'),
  special('carrier-grade NAT', '100.64.0.0/10'),
  special('reserved', '192.0.0.0/24 192.88.99.0/24 240.0.0.0/4'),
  special('documentation', '192.0.2.0/24 198.51.100.0/24 203.0.113.0/24'),
  special('benchmarking', '198.18.0.0/15'),
  special('multicast', '224.0.0.0/4'),
  // Azure's host endpoint: a public number that every guest's own host answers on.
  special('cloud metadata', '168.63.129.16/32'),
];

const GLOBAL_UNICAST_IPV6 = parseCidrs('2000::/3');

const SPECIAL_IPV6: readonly Special[] = [
  special('Teredo', '2001::/32'),
  special('benchmarking', '2001:2::/48'),
  special('ORCHID', '2001:10::/28 2001:20::/28'),
  special('reserved', '2001::/23'),
  special('documentation', '2001:db8::/32 3fff::/20'),
  special('6to4', '2002::/16'),
];

// Outside 2000::/3: refused anyway, named for the reader of the error.
const NAMED_IPV6: readonly Special[] = [
  special('unspecified', '::/128'),
  special('loopback', '::1/128'),
  special('IPv4-mapped', '::ffff:0:0/96'),
  special('IPv4-compatible', '::/96'),
  special('NAT64', '64:ff9b::/96 64:ff9b:1::/48'),
  special('private', 'fc00::/7'),
  special('link-local', 'fe80::/10'),
  special('site-local', 'fec0::/10'),
  special('multicast', 'ff00::/8'),
];

const MAPPED = parseCidrs('::ffff:0:0/96');
const OK: AddressVerdict = { ok: true };

/**
 * Whether a connection to `ip` is permitted. Refused unless public unicast: for IPv4 everything in a special
 * block; for IPv6 everything outside 2000::/3, and within it Teredo, 6to4, documentation, ORCHID, benchmarking
 * and ISATAP. An IPv4-mapped address is refused even when what it maps to is public. `allow` overrides: the
 * address itself, or for a mapped one the IPv4 address in it. Anything that is no address is refused.
 */
export function addressVerdict(ip: string, allow: readonly Cidr[]): AddressVerdict {
  const zone = ip.indexOf('%');
  const bytes = addressBytes(zone < 0 ? ip : ip.slice(0, zone));
  if (bytes === undefined) return { ok: false, reason: 'not an address' };
  const mapped = matches(MAPPED, bytes) ? bytes.slice(12) : undefined;
  if (matches(allow, bytes) || (mapped !== undefined && matches(allow, mapped))) return OK;
  const reason = bytes.length === 4 ? reasonIn(SPECIAL_IPV4, bytes) : refusedIpv6(bytes);
  return reason === undefined ? OK : { ok: false, reason };
}

function refusedIpv6(bytes: readonly number[]): string | undefined {
  const isatap =
    (bytes[8] === 0 || bytes[8] === 2) && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;
  if (isatap) return 'ISATAP';
  if (!matches(GLOBAL_UNICAST_IPV6, bytes)) return reasonIn(NAMED_IPV6, bytes) ?? 'not global unicast';
  return reasonIn(SPECIAL_IPV6, bytes);
}

function matches(blocks: readonly Cidr[], bytes: readonly number[]): boolean {
  return blocks.some((block) => contains(block, bytes));
}

function reasonIn(blocks: readonly Special[], bytes: readonly number[]): string | undefined {
  return blocks.find(([, cidrs]) => matches(cidrs, bytes))?.[0];
}

const LOCAL_NAME =
  /^(?:.+\.)?localhost\.?$|^(?:localhost\.localdomain|localhost6(?:\.localdomain6)?|ip6-(?:localhost|loopback))\.?$/;

/**
 * Refuses, before any lookup, a URL whose host is an address that {@link addressVerdict} refuses, in whatever
 * form it is written (`http://2130706433`, `http://0x7f.1`, `http://①②⑦.⓪.⓪.①`), or a name that always means
 * this machine (`localhost`, RFC 6761) unless 127.0.0.1 is allowed. Other names pass: what they resolve to is
 * for the client to check when it connects.
 * @throws UrlError `blocked_address`, or `invalid_url` when it can't be parsed
 */
export function checkUrlLiteral(url: string | URL, allow: readonly Cidr[]): void {
  const parsed = typeof url === 'string' ? URL.parse(url) : url;
  if (parsed === null) throw new UrlError('invalid_url', 'not a valid URL');
  const address = literalAddress(parsed.hostname);
  if (address === undefined && !LOCAL_NAME.test(parsed.hostname)) return;
  const verdict = addressVerdict(address ?? '127.0.0.1', allow);
  if (!verdict.ok) throw blockedAddress(parsed.hostname, verdict.reason);
}

/** The address a URL's host name is, brackets removed, or undefined when it is a name. */
export function literalAddress(hostname: string): string | undefined {
  if (hostname.startsWith('[')) return hostname.slice(1, -1);
  return /^\d+\.\d+\.\d+\.\d+$/.test(hostname) ? hostname : undefined;
}

/** The error for a refused address; `host` is the name or literal that was asked for. */
export function blockedAddress(host: string, reason: string): UrlError {
  return new UrlError('blocked_address', `${host} is not a public address (${reason})`);
}
