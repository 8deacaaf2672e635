/** The site that is collected: static pages and images on disk. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { png } from '@magpie/testing';

export interface SiteSize {
  pages: number;
  images: number;
  references: number;
  bytes: number;
}

/** Text between the images, so that a page has a size that pages have: about 400 bytes each. */
const FILLING = `<p>${'The magpie keeps what shines and knows where it lies. '.repeat(7)}</p>`;

/**
 * Writes the site below `root`: `index.html` links to every page, page `n` is `p/<n>.html`, image `n` is
 * `i/<n>.png`. Each image is on one page; as many again as `references` exceeds `images` are on another page too.
 */
export async function makeSite(root: string, { pages, images, references, bytes }: SiteSize): Promise<void> {
  await Promise.all([
    mkdir(join(root, 'p'), { recursive: true }),
    mkdir(join(root, 'i'), { recursive: true }),
  ]);
  const onPage = Array.from({ length: pages }, (): number[] => []);
  for (let n = 0; n < references; n++) {
    const turn = Math.floor(n / images);
    onPage[(n + turn) % pages]?.push(n % images);
  }
  const html = (title: string, body: string): string =>
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>\n<body><h1>${title}</h1>\n${body}\n</body></html>\n`;
  const links = onPage.map((_, n) => `<li><a href="/p/${n}.html">Page ${n}</a></li>`).join('\n');
  await writeFile(join(root, 'index.html'), html('All pages', `<ul>\n${links}\n</ul>`));
  for (const [n, list] of onPage.entries()) {
    const body = list.map((i) => `<figure><img src="/i/${i}.png" alt="Image ${i}"></figure>\n${FILLING}`);
    await writeFile(join(root, 'p', `${n}.html`), html(`Page ${n}`, body.join('\n')));
  }
  for (let n = 0; n < images; n++) await writeFile(join(root, 'i', `${n}.png`), png(n, { bytes }));
}
