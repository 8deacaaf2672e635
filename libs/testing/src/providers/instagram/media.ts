/**
 * Signed addresses of media, and their bytes.
 *
 * The IG Media reference says that `media_url` is an address on the CDN and no more; in the field it carries `oe`, the
 * expiry in hexadecimal seconds, and `oh`, the signature, and after the expiry the CDN answers 403 with the plain text
 * "URL signature expired". Every listing signs anew: same path, another query.
 */
import { createHmac } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { png } from '../../site/png.ts';
import type { Medium } from './feed.ts';

export interface MediaSigner {
  /** A fresh address; undefined for an album and for what is withheld. */
  url(medium: Medium): string | undefined;
}

/** Serves the media of the double; `base` is known once it listens. */
export function serveMedia(
  app: FastifyInstance,
  { base, now, lifetimeMs }: { base: () => string; now: () => number; lifetimeMs: number },
): MediaSigner {
  let listings = 0;
  const sign = (path: string, gid: string, oe: string): string =>
    createHmac('sha256', 'cdn').update(`${path} ${gid} ${oe}`).digest('base64url').slice(0, 40);

  app.get('/v/:kind/:name', (request, reply) => {
    const [path] = request.originalUrl.split('?') as [string];
    const { _nc_gid: gid = '', oe = '', oh = '' } = request.query as Record<string, string | undefined>;
    const refuse = (text: string): unknown => reply.code(403).type('text/plain').send(text);
    if (sign(path, gid, oe) !== oh) return refuse('URL signature mismatch');
    if (now() >= Number.parseInt(oe, 16) * 1000) return refuse('URL signature expired');
    const [, number, ending] = /^(\d+)_n\.(png|mp4)$/.exec(path.split('/').at(-1) as string) ?? [];
    if (number === undefined) return reply.code(404).type('text/plain').send('Not Found');
    return reply
      .type(ending === 'png' ? 'image/png' : 'video/mp4')
      .header('cache-control', 'max-age=1209600, no-transform')
      .send(ending === 'png' ? png(Number(number)) : film(Number(number)));
  });

  return {
    url: ({ type, n, withheld }) => {
      if (type === 'CAROUSEL_ALBUM' || withheld) return;
      const path = type === 'IMAGE' ? `/v/t51.82787-15/${n}_n.png` : `/v/t50.2886-16/${n}_n.mp4`;
      const oe = Math.ceil((now() + lifetimeMs) / 1000)
        .toString(16)
        .toUpperCase();
      const gid = `g${(++listings).toString(36)}`;
      return `${base()}${path}?stp=dst-png_e35&_nc_gid=${gid}&oh=${sign(path, gid, oe)}&oe=${oe}`;
    },
  };
}

/** The beginning of an MP4, unlike that of any other `n`. */
function film(n: number): Buffer {
  const box = Buffer.alloc(32);
  box.writeUInt32BE(24, 0);
  box.write('ftypisom\0\0\x02\0isomiso2', 4, 'latin1');
  box.writeUInt32BE(n, 28);
  return box;
}
