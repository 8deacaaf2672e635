import type { Handler } from '../engine/work.ts';
import type { Places } from '../places.ts';
import type { TransferOptions } from '../app.ts';

/** Uploads that no gateway has: what is left to do is to end them. */
export function uploadHandler(_places: Places, _options: TransferOptions): Handler {
  throw new Error('to be written');
}
