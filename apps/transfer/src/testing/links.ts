/** MongoDB at the end of a way of its own, late or slow, so that work with it takes its time on any machine. */
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

const TICK_MS = 20;

export interface Link {
  /** As the server's own, by way of the link. */
  url: string;
  close(): Promise<void>;
}

export interface SlowLink extends Link {
  /** Bytes a second from now on, of all connections together. */
  rate: number;
}

/** @param ms later than the server gives it, comes each answer */
export const lateLink = (to: string, ms: number): Promise<Link> =>
  linkTo(to, (upstream, client) => {
    // All as late: none comes before the one before it.
    upstream.on('data', (chunk) => setTimeout(() => client.write(chunk), ms));
  });

/** @param rate bytes a second at which answers come, of all connections together */
export async function slowLink(to: string, rate: number): Promise<SlowLink> {
  const answering = new Set<Socket>();
  let allowance = 0;
  const { url, close } = await linkTo(to, (upstream, client) => {
    answering.add(upstream);
    upstream.on('data', (chunk) => {
      client.write(chunk);
      allowance -= chunk.length;
      if (allowance <= 0) upstream.pause();
    });
    upstream.on('end', () => client.end());
    upstream.on('close', () => answering.delete(upstream));
  });
  const timer = setInterval(() => {
    allowance = Math.min(allowance + (link.rate * TICK_MS) / 1000, link.rate / 10);
    for (const socket of answering) if (allowance > 0) socket.resume();
  }, TICK_MS);
  const link: SlowLink = {
    url,
    rate,
    close: async () => {
      clearInterval(timer);
      await close();
    },
  };
  return link;
}

/** @param answer has the client get what the server sends it */
async function linkTo(to: string, answer: (upstream: Socket, client: Socket) => void): Promise<Link> {
  const target = new URL(to);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    answer(upstream, client);
    client.pipe(upstream);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
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
  return {
    url: url.href,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
