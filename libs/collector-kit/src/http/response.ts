import { contentCodings, decoded, decompressedTooLarge } from './decode.ts';
import { bodyTooLarge, type Exchange, type Head } from './exchange.ts';
import type { HttpResponse } from './http-types.ts';
import type { HttpLimits } from './limits.ts';

/** Repeated fields joined, cookies left out. */
export function plainHeaders(headers: Head['headers']): Record<string, string> {
  const plain = Object.create(null) as Record<string, string>;
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || name === 'set-cookie') continue;
    plain[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return plain;
}

export interface ResponseParts {
  readonly exchange: Exchange;
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly url: string;
  readonly redirects: readonly string[];
  readonly notModified: boolean;
  readonly method: string;
  readonly limits: HttpLimits;
}

/**
 * The response a caller sees. Checks what the head alone tells of the body.
 * @throws Permanent `body_too_large`, `encoding_unsupported`, `too_many_encodings`; the exchange is given up then
 */
export function responseOf(parts: ResponseParts): HttpResponse {
  const { exchange, status, headers, url, redirects, notModified, method, limits } = parts;
  const contentLength = declaredLength(headers);
  const hasBody = method !== 'HEAD' && status !== 204 && status !== 304;
  let codings: ReturnType<typeof contentCodings> = [];
  if (hasBody) {
    try {
      if ((contentLength ?? 0) > limits.maxWireBytes) throw bodyTooLarge(url, limits.maxWireBytes);
      codings = contentCodings(headers['content-encoding'], url);
    } catch (error) {
      exchange.cancel();
      throw error;
    }
  }
  const body = new Body(exchange, codings, limits.maxBytes, url);
  const { etag, 'last-modified': lastModified } = headers;
  const [contentType, charset] = mediaType(headers['content-type']);
  return {
    status,
    headers,
    url,
    redirects,
    notModified,
    ...(etag !== undefined && { etag }),
    ...(lastModified !== undefined && { lastModified }),
    ...(contentType !== undefined && { contentType }),
    ...(charset !== undefined && { charset }),
    ...(contentLength !== undefined && { contentLength }),
    body,
    bytes: (max) => body.bytes(max),
    cancel: () => exchange.discard(contentLength),
  };
}

class Body implements AsyncIterable<Uint8Array> {
  readonly #exchange: Exchange;
  readonly #pieces: AsyncIterable<Uint8Array>;
  readonly #coded: boolean;
  readonly #maxBytes: number;
  readonly #url: string;
  #used = false;

  constructor(exchange: Exchange, codings: ReturnType<typeof contentCodings>, maxBytes: number, url: string) {
    this.#exchange = exchange;
    this.#coded = codings.length > 0;
    this.#pieces = this.#coded ? decoded(wire(exchange), codings, { maxBytes, url }) : wire(exchange);
    this.#maxBytes = maxBytes;
    this.#url = url;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    if (this.#used) throw new TypeError('a body can be read once');
    this.#used = true;
    const inner = this.#pieces[Symbol.asyncIterator]();
    let total = 0;
    const give = (result: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
      if (result.done !== true) {
        total += result.value.length;
        if (total > this.#maxBytes) throw this.#tooLarge(this.#maxBytes);
      }
      return result;
    };
    const end = (): void => {
      this.#exchange.cancel();
      inner.return?.()?.then(undefined, () => undefined);
    };
    return {
      next: async () => {
        try {
          return give(await inner.next());
        } catch (error) {
          end();
          throw error;
        }
      },
      return: () => {
        end();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  async bytes(max = this.#maxBytes): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let total = 0;
    for await (const piece of this) {
      total += piece.length;
      if (total > max) throw this.#tooLarge(max);
      pieces.push(piece);
    }
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces, total);
  }

  #tooLarge(max: number): Error {
    return this.#coded ? decompressedTooLarge(this.#url, max) : bodyTooLarge(this.#url, max);
  }
}

/** The body as it comes; ending the iteration gives up the exchange. */
function wire(exchange: Exchange): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const value = await exchange.read();
        return value === undefined ? { done: true, value } : { done: false, value };
      },
      return: () => {
        exchange.cancel();
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
}

/** What `Content-Length` declares, if it is one number. */
export function declaredLength(headers: Readonly<Record<string, string>>): number | undefined {
  const value = headers['content-length'];
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** Media type and charset of a Content-Type (RFC 9110 section 8.3), in lower case; undefined where not given. */
export function mediaType(
  header: string | undefined,
): [type: string | undefined, charset: string | undefined] {
  if (header === undefined) return [undefined, undefined];
  const type = /^\s*([!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+)\s*(?:;|,|$)/
    .exec(header)?.[1]
    ?.toLowerCase();
  const charset = /;\s*charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;,"']+))/i.exec(header);
  const name = (charset?.[1] ?? charset?.[2] ?? charset?.[3])?.trim().toLowerCase();
  return [type, name === '' ? undefined : name];
}
