/** MongoDB behind a slow link: what is read comes at so many bytes a second, so that reading takes its time on any machine. */
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

const TICK_MS = 20;

export interface SlowLink {
  /** As the server's own, by way of the link. */
  url: string;
  /** Bytes a second from now on, of all connections together. */
  rate: number;
  close(): Promise<void>;
}

export async function slowLink(to: string, rate: number): Promise<SlowLink> {
  const target = new URL(to);
  const sockets = new Set<Socket>();
  const answering = new Set<Socket>();
  let allowance = 0;
  const link: SlowLink = {
    url: to,
    rate,
    close: async () => {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const timer = setInterval(() => {
    allowance = Math.min(allowance + (link.rate * TICK_MS) / 1000, link.rate / 10);
    for (const socket of answering) if (allowance > 0) socket.resume();
  }, TICK_MS);
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    upstream.on('data', (chunk) => {
      client.write(chunk);
      allowance -= chunk.length;
      if (allowance <= 0) upstream.pause();
    });
    client.pipe(upstream);
    upstream.on('end', () => client.end());
    answering.add(upstream);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        answering.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(to);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  url.searchParams.delete('replicaSet');
  url.searchParams.set('directConnection', 'true');
  link.url = url.href;
  return link;
}
