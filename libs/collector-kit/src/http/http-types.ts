import type { Cidr } from '@magpie/domain';
import type { Lookup } from './guard.ts';
import type { HttpLimits } from './limits.ts';
import type { RobotsRules } from './robots-rules.ts';

export interface HttpRequestOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST';
  /** Added to the client's own. On a redirect to another origin only `accept` and `accept-language` are kept. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly accept?: string;
  /** Of the copy already at hand; makes the request conditional. */
  readonly etag?: string;
  /** Of the copy already at hand; makes the request conditional. */
  readonly lastModified?: string;
  /** Ends whatever is under way and destroys the socket at once. */
  readonly signal?: AbortSignal;
  readonly limits?: Partial<Omit<HttpLimits, 'connectMs'>>;
  /** Whether robots.txt is asked, of each origin on the way; default true. False for documented APIs. */
  readonly robots?: boolean;
  /** Statuses that are an answer rather than an error; default 200 to 299. Redirects are followed in any case. */
  readonly expect?: (status: number) => boolean;
  /** Called before each redirect is followed; throwing ends the request with what is thrown. */
  readonly onRedirect?: (redirect: { from: string; to: string; status: number }) => void;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case, repeated ones joined by `, `; without `set-cookie`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where the body came from, in canonical form. */
  readonly url: string;
  /** The canonical URLs that redirected, from the one asked for. */
  readonly redirects: readonly string[];
  /** The copy described by `etag` or `lastModified` is still good; there is no body. */
  readonly notModified: boolean;
  /** Validator of the body, weak ones with their `W/`. */
  readonly etag?: string;
  readonly lastModified?: string;
  /** Media type in lower case, without parameters. */
  readonly contentType?: string;
  /** The `charset` parameter in lower case. */
  readonly charset?: string;
  /** Bytes on the wire as declared, if they were. */
  readonly contentLength?: number;
  /**
   * The decompressed body, within the limits, once. Not reading it holds a place at the host until `totalMs`
   * is over: read it to the end, leave its loop, or `cancel()`.
   * @throws Permanent `body_too_large`, `decompressed_too_large`
   * @throws Retryable `truncated_body`, `decode_error`, `transfer_timeout`
   * @throws Aborted
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body. At most `max` bytes if given, with the errors of `body`. */
  bytes(max?: number): Promise<Uint8Array>;
  /** Gives up what is left of the body; the little rest of a small one is read, for the connection's sake. */
  cancel(): void;
}

export interface HttpClientOptions {
  /** Product and version, as `Magpie/0.1.0`; what is before the `/` is the name that robots.txt is asked for. */
  readonly userAgent: string;
  /** URL or mail address where the operator is reached; part of the User-Agent. Empty for none. */
  readonly contact: string;
  /** Blocks that may be reached though they are not public. */
  readonly allow: readonly Cidr[];
  readonly limits?: Partial<HttpLimits>;
  /** Exchanges under way at one `host:port`; default 8. */
  readonly perHostConcurrency?: number;
  /** Instead of the system's name lookup; its answers are checked all the same. */
  readonly lookup?: Lookup;
}

export interface HttpClient {
  /**
   * Fetches a URL, following redirects, through all guards; resolves when the head of the final response is there.
   * @throws Permanent `invalid_url`, `scheme_not_allowed`, `credentials_in_url`, `url_too_long`, `blocked_address`,
   *   `too_many_redirects`, `redirect_loop`, `http_status` (3xx without a target, 4xx), `encoding_unsupported`,
   *   `too_many_encodings`, `body_too_large`, `tls_error` (certificate), `protocol_error`
   * @throws Retryable `dns_error`, `connect_refused`, `connect_timeout`, `connection_lost`, `tls_error`,
   *   `headers_timeout`, `transfer_timeout`, `http_status` (408, 425, 5xx), `robots_unreachable`
   * @throws RetryAfter `host_backoff` on 429 and 503; until then every request to that host fails so at once
   * @throws Skip `robots_disallowed`
   * @throws Aborted
   */
  request(url: string, options?: HttpRequestOptions): Promise<HttpResponse>;
  /** {@link request} with the method GET. */
  get(url: string, options?: HttpRequestOptions): Promise<HttpResponse>;
  /** The robots.txt of a URL's origin, asked for if need be. @throws like {@link request} */
  robots(url: string, signal?: AbortSignal): Promise<RobotsRules>;
  /** Milliseconds that robots.txt of the URL's origin asks for between requests; 0 while it is not known. */
  crawlDelayMs(url: string): number;
  /** Ends everything under way with Aborted and closes all sockets. May be called twice. */
  close(): Promise<void>;
}
