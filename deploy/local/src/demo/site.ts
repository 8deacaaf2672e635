/** The bundled site that a first start collects: a few pages about magpies, on loopback, made for showing. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { picture } from './picture.ts';

const BIRDS = ['eurasian', 'black-billed', 'azure-winged', 'oriental', 'iberian', 'asir'] as const;

const layout = (title: string, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title} – The Magpie Gallery</title>
<link rel="icon" href="/img/0.png"><meta property="og:image" content="/img/1.png">
<meta name="author" content="P. Pica"><meta property="article:published_time" content="2026-05-01T09:00:00Z"></head>
<body><nav><a href="/">Gallery</a> ${BIRDS.map((bird) => `<a href="/birds/${bird}">${bird}</a>`).join(' ')}</nav>
<main><article><h1>${title}</h1>${body}</article></main><footer>A bundled site; nothing of it leaves this machine.</footer></body></html>`;

const PROSE = [
  'Magpies are among the few animals that know themselves in a mirror. They cache food in thousands of places, come back for it weeks later, and remember not only where but what and when.',
  'A nest takes both birds about forty days: a bowl of mud and roots, a roof of thorns above it, and an entrance on one side that a crow cannot pass.',
  'Their liking for shiny things is a story. When researchers laid out screws, rings and foil, the birds fed beside them with suspicion and took almost nothing.',
];

function home(): string {
  const cards = BIRDS.map(
    (bird, i) =>
      `<li><a href="/birds/${bird}"><img src="/img/${i * 3 + 2}.png" srcset="/img/${i * 3 + 2}.png 320w, /img/${i * 3 + 2}-large.png 640w" alt="${bird} magpie" width="320" height="200"></a></li>`,
  ).join('\n');
  return layout('Six magpies', `<p>${PROSE[0]}</p><ul>${cards}</ul><p>${PROSE[1]}</p><p>${PROSE[2]}</p>`);
}

function bird(name: string, i: number): string {
  return layout(
    `The ${name} magpie`,
    `<p>${PROSE[i % 3]}</p>
<figure><picture><source srcset="/img/${i * 3 + 2}-large.png"><img src="/img/${i * 3 + 2}.png" alt="${name}"></picture></figure>
<p>${PROSE[(i + 1) % 3]}</p>
<div style="background-image:url('/img/${i * 3 + 3}.png')"></div>
<img data-src="/img/${i * 3 + 4}.png" loading="lazy" alt="In flight">
<table><tr><th>Measure</th><th>Value</th></tr><tr><td>Length</td><td>${44 + i} cm</td></tr><tr><td>Wingspan</td><td>${52 + i} cm</td></tr></table>
<p>${PROSE[(i + 2) % 3]}</p>`,
  );
}

/** Serves the site. On Linux it gets a loopback address of its own, so that collectors need not be allowed to reach any other service. */
export async function startDemoSite(): Promise<{ url: string; address: string; close(): Promise<void> }> {
  const address = process.platform === 'linux' ? '127.0.77.1' : '127.0.0.1';
  const pages = new Map<string, string>([
    ['/', home()],
    ...BIRDS.map((name, i): [string, string] => [`/birds/${name}`, bird(name, i)]),
  ]);
  const server: Server = createServer((request, response) => {
    const path = request.url ?? '/';
    const image = /^\/img\/(\d{1,3})(-large)?\.png$/.exec(path);
    const page = pages.get(path);
    if (image) {
      const scale = image[2] ? 2 : 1;
      response.writeHead(200, { 'content-type': 'image/png', etag: `"${image[0]}"` });
      response.end(picture(Number(image[1]), 320 * scale, 200 * scale));
    } else if (page !== undefined) {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      response.end(page);
    } else {
      response.writeHead(404, { 'content-type': 'text/plain' });
      response.end('not here\n');
    }
  });
  await new Promise<void>((done, failed) => server.once('error', failed).listen(0, address, done));
  return {
    address,
    url: `http://${address}:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
