// The site that the compose test collects: pages of slow pictures, each unlike any other, and a count of every request.
//   /pages/<name>/<count>?ms=<delay>   a page with that many pictures
//   /pictures/<name>/<number>.png?ms=  one of them
//   /counts                            requests so far, by path with query
import { createServer } from 'node:http';
import { crc32, deflateSync } from 'node:zlib';

const counts = new Map();

createServer((request, response) => {
  const url = new URL(request.url, 'http://site');
  if (url.pathname === '/counts') {
    return void response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify(Object.fromEntries(counts)));
  }
  counts.set(request.url, (counts.get(request.url) ?? 0) + 1);
  const page = /^\/pages\/([\w-]+)\/(\d+)$/.exec(url.pathname);
  const picture = /^\/pictures\/([\w-]+)\/(\d+)\.png$/.exec(url.pathname);
  if (page) {
    const list = Array.from(
      { length: Number(page[2]) },
      (_, i) => `<img src="/pictures/${page[1]}/${i}.png${url.search}">`,
    );
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(
      `<!doctype html><html lang="en"><title>${page[1]}</title><article><h1>Birds of ${page[1]}</h1>` +
        '<p>The magpie is a bird of the crow family, and it keeps what it finds.</p>'.repeat(5) +
        `</article>${list.join('\n')}`,
    );
  } else if (picture) {
    setTimeout(
      () => {
        response.setHeader('content-type', 'image/png').end(png(url.pathname));
      },
      Number(url.searchParams.get('ms') ?? 0),
    );
  } else response.writeHead(404).end();
}).listen(8000);

/** A valid PNG of 8×8 grey pixels with the text in it. */
function png(text) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(8, 0);
  header.writeUInt32BE(8, 4);
  header[8] = 8;
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('tEXt', Buffer.from(`Comment\0${text}`)),
    chunk('IDAT', deflateSync(Buffer.alloc(72))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const size = Buffer.alloc(4);
  const sum = Buffer.alloc(4);
  size.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([size, body, sum]);
}
