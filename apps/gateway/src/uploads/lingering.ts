import type { IncomingMessage } from 'node:http';

/** So long is the answer's connection kept open for a client that still sends, ms. */
const LINGER_MS = 1000;

/**
 * An answer that comes before the body was read to its end, and then nothing for a while: closed at once, with bytes
 * unread, TCP would reset the connection and the answer could be lost (RFC 9112 §9.6).
 */
export async function* lingering(answer: string, { socket }: IncomingMessage): AsyncGenerator<Buffer> {
  yield Buffer.from(answer);
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      socket.off('close', done);
      resolve();
    };
    const timer = setTimeout(done, LINGER_MS);
    if (socket.destroyed) done();
    else socket.once('close', done);
  });
}
