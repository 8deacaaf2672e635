import type { Handler } from '../engine/work.ts';
import type { Places } from '../places.ts';
import type { TransferOptions } from '../app.ts';

/** Imports: rows of an uploaded file become items, or targets of a source. */
export function importHandler(_places: Places, _options: TransferOptions): Handler {
  throw new Error('to be written');
}
