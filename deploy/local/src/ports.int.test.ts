import { createServer } from 'node:net';
import { freePort, pickPort, portHolder } from './ports.ts';

async function listening(port: number): Promise<() => Promise<void>> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return () => new Promise((resolve) => server.close(() => resolve()));
}

describe('pickPort', () => {
  it('takes the preferred port when it is free', async () => {
    const port = await freePort();
    expect(await pickPort(port)).toEqual({ port });
  });

  it('takes another one and says who holds the preferred one', async () => {
    const port = await freePort();
    const close = await listening(port);
    const picked = await pickPort(port);
    expect(picked.port).not.toBe(port);
    expect(picked.takenBy).toMatch(new RegExp(`\\(pid ${process.pid}\\)$`));
    await close();
    expect(await portHolder(port)).toBeUndefined();
  });

  it('gives none that an outgoing connection may have a moment later', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()));
    expect(ports.filter((port) => port < 10_000 || port >= 30_000)).toEqual([]);
  });
});
