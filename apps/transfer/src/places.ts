/** Where transfers keep their files, below the directory of the data. */
import { join, resolve } from 'node:path';

export interface Places {
  /** What was uploaded, by the upload's job. */
  uploads: string;
  /** A transfer's own directory while it works, and what it leaves for people to read. */
  work(id: string): string;
  /** What nginx serves below /files/exports/. */
  exports: string;
}

export function placesBelow(data: string): Places {
  const root = resolve(data);
  return {
    uploads: join(root, 'uploads'),
    work: (id) => join(root, 'transfers', id),
    exports: join(root, 'files', 'exports'),
  };
}
