// For tests: a TCP link to the broker that can be cut, and refuse to come back for a while.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TestLink {
  readonly url: string;
  /** Resets all connections and takes no new ones. */
  shut(): void;
  reopen(): void;
  close(): Promise<void>;
}

export async function createLink(serverUrl: string): Promise<TestLink> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  let refusing = false;
  const server = createServer((client) => {
    if (refusing) return void client.resetAndDestroy();
    const upstream = connect(Number(target.port) || 5672, target.hostname);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.once('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(serverUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    url: url.href,
    shut() {
      refusing = true;
      cut();
    },
    reopen() {
      refusing = false;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}
