import type { Format } from './format.ts';

export const zip: Format = {
  type: 'application/octet-stream',
  extension: 'zip',
  encode() {
    throw new Error('to be written');
  },
  assemble() {
    throw new Error('to be written');
  },
};
