/** For the double's own tests: starts it, asks it, pages through it. */
import { startInstagramDouble, type InstagramDouble, type InstagramDoubleOptions } from './instagram.ts';

export const T0 = Date.UTC(2026, 10, 21, 12);
export const USER = '17841405309211844';
export const HOUR = 3_600_000;
const open: InstagramDouble[] = [];

/** Closes every double that was started here. */
export const closeAll = async (): Promise<void> =>
  void (await Promise.all(open.splice(0).map((double) => double.close())));

export interface Media {
  id: string;
  caption?: string;
  like_count?: number;
  media_type?: string;
  media_url?: string;
  timestamp?: string;
  children?: { data: unknown[] };
}

export interface Body {
  data: Media[];
  paging?: { cursors: { after: string }; next?: string };
  error: { code: number; error_subcode?: number; message: string };
}

export async function start(options: InstagramDoubleOptions = {}): Promise<InstagramDouble> {
  const double = await startInstagramDouble({ now: () => T0, posts: 600, ...options });
  open.push(double);
  return double;
}

export async function get(url: string): Promise<{ status: number; headers: Headers; body: Body }> {
  const response = await fetch(url);
  return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
}

/** `path` with user and token. */
export const at = (double: InstagramDouble, path: string, more: Record<string, string> = {}): string => {
  const query = new URLSearchParams({ user_id: USER, access_token: 'double-token', ...more });
  return `${double.url}/v25.0/${path}?${query}`;
};

export async function pages(url: string): Promise<Media[][]> {
  const all: Media[][] = [];
  for (let next: string | undefined = url; next !== undefined;) {
    const { body }: { body: Body } = await get(next);
    all.push(body.data);
    next = body.paging?.next;
  }
  return all;
}
