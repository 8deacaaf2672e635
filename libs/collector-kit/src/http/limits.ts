/** What one request may take. Every limit holds for the final response as well as for each redirect. */
export interface HttpLimits {
  /** Redirects followed; one more fails as `too_many_redirects`. */
  maxRedirects: number;
  /** Name lookup, TCP and TLS together, for a new connection; set for the whole client. */
  connectMs: number;
  /** From the sent request to the complete response headers. */
  headersMs: number;
  /** All exchanges of the request together, to the last byte of the body; waiting for a turn is not counted. */
  totalMs: number;
  /** Body bytes as they come over the wire. */
  maxWireBytes: number;
  /** Body bytes after all content encodings are undone; also the limit between two of them. */
  maxBytes: number;
  /** Characters of a canonical URL, first or redirected to; 8192 at most. */
  maxUrl: number;
}

export const DEFAULT_LIMITS: Readonly<HttpLimits> = {
  maxRedirects: 10,
  connectMs: 10_000,
  headersMs: 30_000,
  totalMs: 120_000,
  maxWireBytes: 64 * 1024 * 1024,
  maxBytes: 64 * 1024 * 1024,
  maxUrl: 8192,
};

/** Content encodings that may be stacked on one body. */
export const MAX_ENCODINGS = 2;

/** Bytes of response headers; more fails as `protocol_error`. */
export const MAX_HEADER_BYTES = 32 * 1024;
