/** GET /youtube/v3/videos by id: https://developers.google.com/youtube/v3/docs/videos/list */
import type { Catalogue } from './catalogue.ts';
import { invalidFilters, missingParameter, notImitated, unexpectedParameter, unknownPart } from './errors.ts';
import { etagOf, videoResource } from './resources.ts';
import type { Query } from './search.ts';

const PARTS =
  'contentDetails fileDetails id liveStreamingDetails localizations paidProductPlacementDetails player processingDetails recordingDetails snippet statistics status suggestions topicDetails'.split(
    ' ',
  );
const IMITATED = ['part', 'id', 'maxResults', 'hl', 'regionCode', 'key', 'alt', 'prettyPrint'];
const OTHERS = ['chart', 'myRating', 'pageToken', 'videoCategoryId', 'maxHeight', 'maxWidth', 'fields'];

/** Videos that are missing, private or deleted are simply absent; the order is that of the ids. */
export function listVideos(catalogue: Catalogue, query: Query, base: string): object {
  for (const name of Object.keys(query)) {
    if (OTHERS.includes(name)) throw notImitated(`the parameter ${name}`);
    if (!IMITATED.includes(name)) throw unexpectedParameter(name);
  }
  if (!query['part']) throw missingParameter('part');
  const parts = new Set(query['part'].split(','));
  for (const part of parts) if (!PARTS.includes(part)) throw unknownPart(part);
  if (!query['id']) throw missingParameter('id', 'No filter selected. Expected one of: myRating, chart, id');
  const ids = query['id'].split(',').map((id) => id.trim());
  if (ids.length > 50) throw invalidFilters();
  const items = [...new Set(ids)].flatMap((id) => {
    const video = catalogue.get(id);
    return video === undefined || video.gone ? [] : [videoResource(video, base, parts)];
  });
  const body = { items, pageInfo: { totalResults: items.length, resultsPerPage: items.length } };
  return { kind: 'youtube#videoListResponse', etag: etagOf(body), ...body };
}
