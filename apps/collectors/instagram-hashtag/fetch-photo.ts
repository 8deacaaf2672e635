import {
  Permanent,
  StepError,
  type FoundItem,
  type Step,
  type StepContext,
  type StepResult,
} from '@magpie/collector-kit';
import type { PhotoData } from './params.ts';
import type { PhotoInput } from './steps.ts';

/** Instagram keeps photos of a few MB at most. */
const MAX_BYTES = 32 * 1024 * 1024;

/**
 * Downloads a photo from its signed address. Errors and the item have the address without its signature.
 * @throws Permanent `expired_url` when the address is over: a later run brings a fresh one
 * @throws whatever the HTTP client and the file store throw
 */
export async function fetchPhoto(
  { url = '', input }: Step<PhotoInput>,
  { http, files }: StepContext,
): Promise<StepResult> {
  const shown = url.replace(/[?#].*$/, '');
  const { page, post, index, timestamp, caption } = input;
  try {
    // The address was given by the API for this, so no robots.txt is asked.
    const response = await http.get(url, {
      robots: false,
      accept: 'image/avif, image/webp, image/*, */*;q=0.5',
      limits: { maxBytes: MAX_BYTES, maxWireBytes: MAX_BYTES },
    });
    const file = await files.write('images', response.body, { maxBytes: MAX_BYTES });
    const { type, width, height } = file;
    const data: PhotoData = {
      post,
      index,
      timestamp,
      ...(caption === undefined ? {} : { caption }),
      type,
      ...(width === undefined ? {} : { width }),
      ...(height === undefined ? {} : { height }),
    };
    const item: FoundItem = { kind: 'image', url: photoUrl(page, index), finalUrl: shown, page, data, file };
    return { items: [item] };
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    if (error.status === 403 || error.status === 410) {
      throw new Permanent('expired_url', 'the signed address of the photo is no longer good', {
        url: shown,
        status: error.status,
      });
    }
    throw Object.assign(error, { url: shown });
  }
}

/** A photo's own address: its place in its post, as Instagram’s pages have it. It never expires. */
export function photoUrl(page: string, index: number): string {
  const url = new URL(page);
  url.searchParams.set('img_index', String(index));
  return url.href;
}
