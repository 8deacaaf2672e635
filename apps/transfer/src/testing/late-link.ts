/** MongoDB at the end of a long way: each answer comes so much later, so that work takes its time on any machine. */
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

export interface LateLink {
  /** As the server's own, by way of the link. */
  url: string;
  close(): Promise<void>;
}

/** @param ms later than the server gives it, comes each answer */
export async function lateLink(to: string, ms: number): Promise<LateLink> {
  const target = new URL(to);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    // All as late: none comes before the one before it.
    upstream.on('data', (chunk) => setTimeout(() => client.write(chunk), ms));
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
