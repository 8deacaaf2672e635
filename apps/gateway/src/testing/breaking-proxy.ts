import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP way to a server on which something happens once so many bytes of a connection have gone to it. */
export interface BreakingProxy {
  url: string;
  /** Where the server is; may change. */
  target: number;
  close(): Promise<void>;
}

/**
 * @param at after so many bytes of a connection `then` is called, with the number of the time, from 1
 * @param then nothing goes on before it is done; the connection is cut unless it gives `pass`
 */
export async function startBreakingProxy(
  at: number,
  then: (time: number) => Promise<'cut' | 'pass'>,
): Promise<BreakingProxy> {
  const sockets = new Set<Socket>();
  let times = 0;
  const server = createServer((near) => {
    const far = connect(proxy.target, '127.0.0.1');
    let bytes = 0;
    let reached = false;
    for (const [one, two] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => two.destroy());
      one.on('close', () => {
        sockets.delete(one);
        two.destroy();
      });
    }
    far.pipe(near);
    near.on('data', (chunk: Buffer) => {
      if (!far.write(chunk)) {
        near.pause();
        far.once('drain', () => near.resume());
      }
      bytes += chunk.length;
      if (bytes < at || reached) return;
      reached = true;
      near.pause();
      void then(++times).then((what) => {
        if (what === 'cut') near.destroy();
        else near.resume();
      });
    });
    near.on('end', () => far.end());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const proxy: BreakingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return proxy;
}
