/** A client that sends a body as fast as it is taken, and knows how much of it was. */
import { createHash, randomBytes, type Hash } from 'node:crypto';
import { request, type ClientRequest, type IncomingHttpHeaders } from 'node:http';

export interface SenderOptions {
  headers?: Record<string, string>;
  /** Bytes of the body; sent in chunks of 64 KiB. Without it, until `finish`. */
  bytes?: number;
  /** A chunk to send again and again; random bytes by default. */
  chunk?: Buffer;
  /** Sent before and after; not hashed. */
  head?: string;
  tail?: string;
  /** At most so many bytes a second, also after a stall of this process. */
  bytesPerSecond?: number;
}

export interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  body: { code?: string; id?: string; state?: string } & Record<string, unknown>;
}

export class Sender {
  /** What the socket took, in this process's count. */
  sent = 0;
  readonly answer: Promise<Answered>;
  readonly #request: ClientRequest;
  readonly #hash: Hash = createHash('sha256');
  #finishing = false;
  #cut = false;
  #answered = false;

  constructor(url: string, options: SenderOptions = {}) {
    this.#request = request(url, { method: 'POST', headers: options.headers ?? {}, agent: false });
    this.answer = new Promise((resolve, reject) => {
      this.#request.on('response', (response) => {
        this.#answered = true;
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: (text === '' ? {} : JSON.parse(text)) as Answered['body'],
          });
        });
      });
      this.#request.on('error', reject);
    });
    this.answer.catch(() => undefined);
    this.answer.finally(() => this.#request.destroy()).catch(() => undefined);
    void this.#send(options);
  }

  get sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Sends no more, and ends the body. */
  finish(): void {
    this.#finishing = true;
  }

  /** Breaks the connection. */
  cut(): void {
    this.#cut = true;
    this.#request.destroy();
  }

  async #send(options: SenderOptions): Promise<void> {
    const { bytes = Infinity, chunk = randomBytes(65_536), bytesPerSecond = Infinity } = options;
    const gone = (): boolean => this.#cut || this.#answered || this.#request.destroyed;
    if (options.head !== undefined) await this.#write(Buffer.from(options.head));
    while (!gone() && !this.#finishing && this.sent < bytes) {
      const part = chunk.subarray(0, Math.min(chunk.length, bytes - this.sent));
      this.#hash.update(part);
      await this.#write(part);
      this.sent += part.length;
      if (bytesPerSecond < Infinity) await this.#pause((part.length / bytesPerSecond) * 1000);
    }
    if (gone()) return;
    if (options.tail !== undefined) await this.#write(Buffer.from(options.tail));
    this.#request.end();
  }

  /** Ends early when the connection does. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#request.off('close', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      if (this.#request.closed) done();
      else this.#request.once('close', done);
    });
  }

  #write(chunk: Buffer): Promise<void> {
    return new Promise((resolve) => {
      if (this.#request.write(chunk)) return resolve();
      const done = (): void => {
        this.#request.off('drain', done);
        this.#request.off('close', done);
        resolve();
      };
      this.#request.once('drain', done);
      this.#request.once('close', done);
    });
  }
}
