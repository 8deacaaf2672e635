/** Asks a double as its tests do, with the demonstration key. */
export interface Body<T> {
  kind: string;
  etag: string;
  nextPageToken?: string;
  prevPageToken?: string;
  pageInfo: { totalResults: number; resultsPerPage: number };
  items: T[];
  error?: { errors: { reason: string }[] };
}
export interface Result {
  id: { kind: string; videoId?: string; channelId?: string };
  snippet: { title: string; description: string; publishedAt: string };
}
export interface Video {
  id: string;
  snippet: { title: string; description: string; thumbnails: Record<string, { url: string }> };
}
export type Query = Record<string, string | number>;

export function asking(double: () => { readonly url: string }) {
  async function get<T>(path: string, query: Query = {}, headers = {}) {
    const url = new URL(path, double().url);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    const response = await fetch(url, { headers: { 'x-goog-api-key': 'demo-key', ...headers } });
    const text = await response.text();
    const body = (text === '' ? {} : JSON.parse(text)) as Body<T>;
    return { status: response.status, headers: response.headers, body };
  }
  const search = (query: Query) =>
    get<Result>('/youtube/v3/search', { part: 'snippet', type: 'video', ...query });
  const videos = (query: Query, headers = {}) => get<Video>('/youtube/v3/videos', query, headers);

  /** All pages of a query, at most 20. */
  async function pages(query: Query): Promise<Body<Result>[]> {
    const all: Body<Result>[] = [];
    let token: string | undefined;
    do {
      const { body } = await search({ maxResults: 50, ...query, ...(token && { pageToken: token }) });
      all.push(body);
      token = body.nextPageToken;
    } while (token !== undefined && all.length < 20);
    return all;
  }
  /** As `pages`, all their entries. */
  const entries = async (query: Query): Promise<Result[]> =>
    (await pages(query)).flatMap(({ items }) => items);
  return { search, videos, pages, entries };
}

/** The ids of a search's answer, without entries that are no videos. */
export const ids = (body: Body<Result>): string[] => body.items.flatMap(({ id }) => id.videoId ?? []);
export const iso = (at: number): string => new Date(at).toISOString();
