/**
 * Answers that come before the body was read to its end. Closed at once, with bytes unread, TCP would reset the
 * connection and the answer could be lost (RFC 9112 §9.6); so it is kept open for a while.
 */
import { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** So long is the answer's connection kept open for a client that still sends, ms. */
const LINGER_MS = 1000;

/**
 * What is sent for `payload`, an `onSend` hook: what is left of a body that is not wanted is not read, and the
 * connection takes no other request, whose client would be cut off with it.
 */
export async function sendUnread<T>(request: FastifyRequest, reply: FastifyReply, payload: T) {
  if (isRead(request.raw) || typeof payload !== 'string') return payload;
  void reply.header('connection', 'close').header('content-length', Buffer.byteLength(payload));
  return Readable.from(lingering(payload, request.raw));
}

const isRead = ({ complete, readableEnded, headers }: IncomingMessage): boolean =>
  complete ||
  readableEnded ||
  (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined);

/** The answer, and then nothing for a while. */
async function* lingering(answer: string, { socket }: IncomingMessage): AsyncGenerator<Buffer> {
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
