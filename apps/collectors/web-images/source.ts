import {
  defineSource,
  readSitemaps,
  sitemapSteps,
  startTerms,
  step,
  withinLimits,
} from '@magpie/collector-kit';
import { fetchImage } from './fetch-image.ts';
import { ImageData, imageOptions, Params } from './params.ts';
import { close } from './parse-page.ts';
import { readPage } from './read-page.ts';
import { ImageInput, PageInput, pageStep } from './steps.ts';

export default defineSource({
  id: 'web-images',
  summary: 'Every image on the given pages',
  params: Params,
  emits: { image: ImageData },
  batch: { image: 20, page: 4 },
  concurrency: { page: 16, rest: 4, sitemap: 2 },
  close,
  steps: {
    start({ input: { params, from } }) {
      const options = imageOptions(params);
      const steps = startTerms(params).map(({ url, terms }) => pageStep(url, terms, options));
      steps.push(...sitemapSteps(params, options));
      const { next, rest } = withinLimits(steps, from);
      if (rest !== undefined)
        next.push({ kind: 'start', key: `start#${rest}`, input: { params, from: rest } });
      return { next };
    },
    page: step(PageInput, readPage),
    rest: step(PageInput, readPage),
    sitemap: readSitemaps(pageStep),
    image: step(ImageInput, fetchImage),
  },
});
