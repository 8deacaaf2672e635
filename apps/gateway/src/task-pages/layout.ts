import { createHash } from 'node:crypto';
import { html, type Content } from './html.ts';

/** The pages' only style sheet; served by a route of its own, since the policy allows no style within a page. */
export const STYLE = `
:root { color-scheme: light dark; --edge: #767676; --quiet: #595959; --wrong: #b00020; --accent: #0b57d0; }
@media (prefers-color-scheme: dark) {
  :root { --edge: #8c8c8c; --quiet: #b3b3b3; --wrong: #ff8a80; --accent: #8ab4f8; }
}
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { overflow-wrap: anywhere; }
a { color: var(--accent); }
.field { margin: 0 0 1.25rem; max-width: 32rem; }
label { display: block; font-weight: 600; }
input { font: inherit; width: 100%; padding: .5rem; border: 1px solid var(--edge); border-radius: .25rem; }
input[aria-invalid="true"] { border: 2px solid var(--wrong); }
.hint { margin: 0; color: var(--quiet); }
.error { margin: 0; color: var(--wrong); font-weight: 600; }
.alert { border: 2px solid var(--wrong); padding: 0 1rem; margin: 0 0 1.5rem; }
button { font: inherit; padding: .5rem 1rem; border: 1px solid var(--edge); border-radius: .25rem; cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.actions { display: flex; flex-wrap: wrap; gap: .5rem; }
.actions form { margin: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; list-style: none; padding: 0; }
figure { margin: 0; }
.pictures img { width: 100%; height: 11rem; object-fit: cover; display: block; background: #8883; }
figcaption { font-size: .875rem; overflow-wrap: anywhere; }
`;

/** Changes with the style sheet, so that it may be kept for good. */
export const STYLE_VERSION = createHash('sha256').update(STYLE).digest('hex').slice(0, 12);

export interface Page {
  title: string;
  /** Path of the public address, without a slash at its end. */
  root: string;
  /** Loaded again after so many seconds. */
  refresh?: number | undefined;
  body: Content;
}

export const document = ({ title, root, refresh, body }: Page): string =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        ${refresh !== undefined && html`<meta http-equiv="refresh" content="${refresh}" />`}
        <title>${title} – Magpie</title>
        <link rel="stylesheet" href="${root}/task/style.css?v=${STYLE_VERSION}" />
      </head>
      <body>
        <main>${body}</main>
        <footer>
          <p><a href="${root}/task/new/">New task</a> · <a href="${root}/docs">API</a></p>
        </footer>
      </body>
    </html> `.toString();

/** `2026-05-01 12:00 UTC`, with the exact time for machines. */
export function time(at: Date | string): Content {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
}
