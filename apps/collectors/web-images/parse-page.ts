import { SideThread } from '@magpie/collector-kit';
import { discoverImages, type Discovered, type DiscoverOptions } from './parse.ts';

export interface ParseTask {
  readonly html: string;
  readonly options: DiscoverOptions;
}

/** Characters that take a few milliseconds at most, whatever they are. */
const SMALL = 256 * 1024;

const aside = new SideThread<ParseTask, Discovered>(new URL('./parse-worker.ts', import.meta.url));

/**
 * `discoverImages`, beside the collector's own thread where a page is so large that it could hold it up.
 * @throws Permanent `parse_timeout`, `parse_error`; Aborted
 */
export async function parsePage(
  html: string,
  options: DiscoverOptions,
  signal: AbortSignal,
): Promise<Discovered> {
  return html.length <= SMALL ? discoverImages(html, options) : aside.run({ html, options }, signal);
}

export const close = (): Promise<void> => aside.close();
