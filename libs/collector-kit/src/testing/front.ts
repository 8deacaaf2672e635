import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { answerWith, serveSite, type Route, type Site } from './site.ts';

/** Blanks behind a body change neither a page nor an image nor JSON, and make it long enough to be interrupted. */
const PADDING = Buffer.alloc(200_000, ' ');

/** A server that stands before another one: it passes requests on, or misbehaves. Has no robots.txt. */
export interface Front {
  readonly site: Site;
  /** Where requests go that are passed on. */
  upstream: string;
  /** `hang: 'body'` and `cutOff` are done to what the upstream answers. */
  behave: Route | 'pass';
}

/** Close its site after use. */
export async function openFront(): Promise<Front> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { behave, upstream } = front;
    if (behave !== 'pass' && !needsBody(behave)) return answerWith(behave, request, response);
    const real = await pass(upstream, request);
    if (behave === 'pass') return void response.writeHead(real.status, real.headers).end(real.body);
    const body = Buffer.concat([real.body, PADDING]);
    answerWith({ ...real, body, ...(behave as object) }, request, response);
  };
  const site = await serveSite({ '/robots.txt': { status: 404 } }, (request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  const front: Front = { site, upstream: '', behave: 'pass' };
  return front;
}

const needsBody = (route: Route): boolean =>
  typeof route === 'object' && !ArrayBuffer.isView(route) && (route.cutOff === true || route.hang === 'body');

/** The upstream's whole answer to a request, in the plain. */
async function pass(
  upstream: string,
  request: IncomingMessage,
): Promise<{ status: number; headers: Record<string, string>; body: Buffer }> {
  const sent: Buffer[] = [];
  for await (const piece of request) sent.push(piece as Buffer);
  const { host: _host, 'accept-encoding': _encoding, connection: _connection, ...headers } = request.headers;
  return new Promise((resolve, reject) => {
    const options = { method: request.method, headers, agent: false as const };
    const onward = httpRequest(new URL(request.url ?? '/', upstream), options, (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('error', reject);
      answer.on('end', () => {
        const kept = Object.entries(answer.headers).filter(
          ([name, value]) => typeof value === 'string' && !HOP.has(name),
        );
        resolve({
          status: answer.statusCode ?? 502,
          headers: Object.fromEntries(kept) as Record<string, string>,
          body: Buffer.concat(pieces),
        });
      });
    });
    onward.on('error', reject);
    onward.end(Buffer.concat(sent));
  });
}

const HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);
