import type { Format } from './format.ts';

export const xlsx: Format = {
  type: 'application/octet-stream',
  extension: 'xlsx',
  encode() {
    throw new Error('to be written');
  },
  assemble() {
    throw new Error('to be written');
  },
};
