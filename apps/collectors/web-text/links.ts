import { discoverLinks, SideThread, type DiscoveredLinks } from '@magpie/collector-kit';

export interface LinksTask {
  readonly html: string;
  readonly url: string;
}

/** Characters that take a few milliseconds at most, whatever they are. */
const SMALL = 256 * 1024;

const aside = new SideThread<LinksTask, DiscoveredLinks>(new URL('./links-worker.ts', import.meta.url));

/**
 * `discoverLinks`, beside the collector's own thread where a page is so large that it could hold it up.
 * @throws Permanent `parse_timeout`, `parse_error`; Aborted
 */
export async function readLinks(html: string, url: string, signal: AbortSignal): Promise<DiscoveredLinks> {
  return html.length <= SMALL ? discoverLinks(html, url) : aside.run({ html, url }, signal);
}

export const closeLinks = (): Promise<void> => aside.close();
