import {
  defineSource,
  linksToFollow,
  readSitemaps,
  sitemapSteps,
  startTerms,
  step,
  withinLimits,
} from '@magpie/collector-kit';
import { Params, TextData, textOptions } from './params.ts';
import { readText } from './read-text.ts';
import { ExpandInput, TextInput, textStep } from './steps.ts';
import { close } from './worker-pool.ts';
import { closeLinks } from './links.ts';

export default defineSource({
  id: 'web-text',
  summary: 'The main text of the given pages',
  params: Params,
  emits: { text: TextData },
  batch: { text: 8 },
  concurrency: { text: 16, sitemap: 2 },
  close: async () => void (await Promise.all([close(), closeLinks()])),
  steps: {
    start({ input: { params, from } }) {
      const options = textOptions(params);
      const steps = startTerms(params).map(({ url, terms }) => textStep(url, terms, options));
      steps.push(...sitemapSteps(params, options));
      const { next, rest } = withinLimits(steps, from);
      if (rest !== undefined)
        next.push({ kind: 'start', key: `start#${rest}`, input: { params, from: rest } });
      return { next };
    },
    sitemap: readSitemaps(textStep),
    text: step(TextInput, readText),
    expand: step(ExpandInput, async ({ input: { crawl, options, page, url, outlinks } }) => {
      const follow = await linksToFollow(outlinks, crawl, { url: page, finalUrl: url });
      return { next: follow.urls.map((link) => textStep(link, follow.terms, options)) };
    }),
  },
});
