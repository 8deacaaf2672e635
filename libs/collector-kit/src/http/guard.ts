/**
 * Refuses addresses at connect time, in three layers: a literal in the URL (for which no lookup is made), every
 * answer of the name lookup, and the remote address of the connected socket. The addresses that were checked
 * are the ones connected to; a name is not looked up again in between.
 */
import { lookup as dnsLookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { addressVerdict, blockedAddress, type Cidr } from '@magpie/domain';
import { buildConnector } from 'undici';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** All addresses of a host name. Replaced in tests only. */
export type Lookup = (hostname: string) => Promise<readonly ResolvedAddress[]>;

/** The name could not be resolved; `cause` is the resolver's error. */
export class LookupError extends Error {
  constructor(hostname: string, cause?: unknown) {
    const code = (cause as { code?: unknown } | undefined)?.code;
    super(`${hostname} could not be resolved${typeof code === 'string' ? ` (${code})` : ''}`, { cause });
    this.name = 'LookupError';
  }
}

export interface GuardOptions {
  readonly allow: readonly Cidr[];
  readonly connectMs: number;
  readonly lookup?: Lookup | undefined;
  /** Opens the socket with the lookup it is given; undici's own unless a test replaces it. */
  readonly open?: (lookup: LookupFunction) => buildConnector.connector;
}

const systemLookup: Lookup = (hostname) => dnsLookup(hostname, { all: true });

/**
 * A connector for undici's dispatchers that yields only sockets to permitted addresses.
 * Calls back with a UrlError `blocked_address`, a {@link LookupError}, or the error of the socket.
 */
export function guardedConnector(options: GuardOptions): buildConnector.connector {
  const { allow, connectMs } = options;
  const lookup = guardedLookup(allow, options.lookup ?? systemLookup);
  const open = options.open?.(lookup) ?? buildConnector({ timeout: connectMs, allowH2: false, lookup });

  return (target, callback) => {
    const literal = target.hostname.replace(/^\[|\]$/g, '');
    if (isIP(literal) !== 0) {
      const verdict = addressVerdict(literal, allow);
      if (!verdict.ok) {
        callback(blockedAddress(target.hostname, verdict.reason), null);
        return;
      }
    }
    open(target, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      const verdict = addressVerdict(socket.remoteAddress ?? '', allow);
      if (verdict.ok) {
        callback(null, socket);
        return;
      }
      socket.destroy();
      callback(blockedAddress(target.hostname, verdict.reason), null);
    });
  };
}

/**
 * A lookup for `net.connect` that fails when any answer is refused: a name that mixes public and private
 * answers is an attack or a mistake. Concurrent lookups of one name are one.
 */
export function guardedLookup(allow: readonly Cidr[], resolve: Lookup): LookupFunction {
  const underWay = new Map<string, Promise<readonly ResolvedAddress[]>>();

  const checked = async (hostname: string): Promise<readonly ResolvedAddress[]> => {
    let answers: readonly ResolvedAddress[];
    try {
      // Copied: what is checked below is what is connected to, whatever happens to the answer.
      answers = (await resolve(hostname)).map(({ address, family }) => ({ address, family }));
    } catch (error) {
      throw new LookupError(hostname, error);
    }
    for (const { address } of answers) {
      const verdict = addressVerdict(address, allow);
      if (!verdict.ok) throw blockedAddress(hostname, `${verdict.reason}: ${address}`);
    }
    if (answers.length === 0) throw new LookupError(hostname);
    return answers;
  };

  return (hostname, options, callback) => {
    let answers = underWay.get(hostname);
    if (answers === undefined) {
      answers = checked(hostname).finally(() => underWay.delete(hostname));
      underWay.set(hostname, answers);
    }
    answers.then(
      (all) => {
        const [first] = all as [ResolvedAddress];
        if (options.all === true)
          callback(
            null,
            all.map((answer) => ({ ...answer })),
          );
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, ''),
    );
  };
}
