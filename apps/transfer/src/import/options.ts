import type { CreateImport } from '@magpie/contracts';
import type { ImportTargets } from '@magpie/store';
import type { Detected } from '../read/index.ts';

/** What an import's job holds in `transfer.options`: as asked for, with what was settled and detected. */
export type ImportOptions = CreateImport & {
  /** Of imports as targets. */
  targets?: ImportTargets;
  /** Once the file was looked at. */
  detected?: Detected;
  /** Of the file that was looked at: what was read of one file is no place in another. */
  sha256?: string;
};
