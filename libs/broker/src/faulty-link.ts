// For tests: a TCP link to a server that can be cut, stalled, and closed for a while.
import { connect, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';

export interface FaultyLink {
  /** The server's URL through this link. */
  readonly url: string;
  /** Connections at this moment. */
  readonly connections: number;
  /** Resets every connection; new ones are taken. */
  cut(): void;
  /** Resets every connection and refuses new ones until `reopen`. */
  shut(): void;
  reopen(): void;
  /** From now on no byte passes, either way; connections stay open. `flow` ends that. */
  stall(): void;
  flow(): void;
  close(): Promise<void>;
}

export async function faultyLink(serverUrl: string): Promise<FaultyLink> {
  const target = new URL(serverUrl);
  const pairs = new Set<readonly [Socket, Socket]>();
  let refusing = false;
  let stalled = false;
  const server = createServer((client) => {
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(Number(target.port) || 5672, target.hostname);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.on('data', (chunk) => {
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => {
        if (!stalled) from.resume();
      });
      from.on('error', end);
      from.on('close', end);
    }
    if (stalled) for (const socket of pair) socket.pause();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(serverUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  const cut = (): void => {
    for (const [client, upstream] of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
    pairs.clear();
  };
  return {
    url: url.href,
    get connections() {
      return pairs.size;
    },
    cut,
    shut() {
      refusing = true;
      cut();
    },
    reopen() {
      refusing = false;
    },
    stall() {
      stalled = true;
      for (const pair of pairs) for (const socket of pair) socket.pause();
    },
    flow() {
      stalled = false;
      for (const pair of pairs) for (const socket of pair) socket.resume();
    },
    async close() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
