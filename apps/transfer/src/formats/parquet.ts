import type { Format } from './format.ts';

export const parquet: Format = {
  type: 'application/octet-stream',
  extension: 'parquet',
  encode() {
    throw new Error('to be written');
  },
  assemble() {
    throw new Error('to be written');
  },
};
