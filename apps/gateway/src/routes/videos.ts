import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Page, Video } from '@magpie/contracts';
import { findJob, listVideos, ownerOf, RANKED, SCANNED, searchVideos } from '@magpie/store';
import { sendPage } from '../paging.ts';
import { HttpProblem } from '../problems.ts';
import { publicUrl } from '../public-url.ts';
import { routeDoc } from '../route-doc.ts';
import * as examples from '../videos/examples.ts';
import { published, VideoListQuery, VideoSearchQuery, wordsOf } from '../videos/query.ts';
import { videoViews } from '../videos/views.ts';

const many = (n: number): string => n.toLocaleString('en');

const ANSWER = {
  description: 'A page of videos',
  schema: Page(Video),
  example: { items: [examples.video], next: null },
};

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { store } = app;
  const base = publicUrl(app.config);

  app.get(
    '/videos',
    {
      schema: routeDoc({
        summary: 'List videos',
        description: 'Those published last first. Filters can be combined.',
        tag: 'videos',
        query: VideoListQuery,
        answers: { 200: ANSWER },
        errors: ['not_found', 'invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { limit, cursor, channel, job, ...period } = request.query;
      const found = job === undefined ? undefined : await findJob(store, job);
      if (job !== undefined && found === undefined)
        throw new HttpProblem('not_found', 'There is no such job.');
      const filter = { channel, owner: found && ownerOf(found), ...published(period) };
      const { rows, next } = await listVideos(store, filter, { limit, cursor });
      return sendPage(request, reply, await videoViews(store, rows, base), next);
    },
  );

  app.get(
    '/search',
    {
      schema: routeDoc({
        summary: 'Search videos by their words',
        description: [
          'Videos in whose title or description every word of `q` begins a word, in any order: `tea ho` finds “How to make tea?”. Case and accents do not matter; all but letters and digits parts words, so nothing is an operator. The middle of a word is not searched, nor more than the first 400 different words of a video.',
          'First come those that have more of the words as they stand, then more of these in the title, then more beginnings in the title, then those published last.',
          `Of more than ${many(RANKED)} matches the newest ${many(RANKED)} are ranked; where each word by itself leads to more than that, they are looked for among the newest ${many(SCANNED)} videos.`,
          'Following pages show what was kept when the first was asked for.',
        ].join('\n\n'),
        tag: 'videos',
        query: VideoSearchQuery,
        answers: { 200: ANSWER },
        errors: ['invalid_cursor'],
      }),
    },
    async (request, reply) => {
      const { q, limit, cursor } = request.query;
      const { rows, next } = await searchVideos(store, wordsOf(q), { limit, cursor });
      return sendPage(request, reply, await videoViews(store, rows, base), next);
    },
  );
};

export default routes;
