import type { Handler } from '../engine/work.ts';
import type { Places } from '../places.ts';
import type { TransferOptions } from '../app.ts';

/** Exports: items become a file that nginx serves. */
export function exportHandler(_places: Places, _options: TransferOptions): Handler {
  throw new Error('to be written');
}
