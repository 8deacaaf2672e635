/** The thread that reads large pages. */
import { serveSideThread } from '@magpie/collector-kit/side-thread';
import { discoverImages, type Discovered } from './parse.ts';
import type { ParseTask } from './parse-page.ts';

serveSideThread(({ html, options }: ParseTask): Discovered => discoverImages(html, options));
