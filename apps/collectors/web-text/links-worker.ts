/** The thread that reads the links of large pages. */
import { discoverLinks, type DiscoveredLinks } from '@magpie/collector-kit/html';
import { serveSideThread } from '@magpie/collector-kit/side-thread';
import type { LinksTask } from './links.ts';

serveSideThread(({ html, url }: LinksTask): DiscoveredLinks => discoverLinks(html, url));
