/** Where transfers keep their files, below the directory of the data. */
import { join, resolve } from 'node:path';

export interface Places {
  /** What was uploaded, by the upload's job. */
  uploads: string;
  /** Of one upload: the complete file, and one that is not. */
  upload(id: string): [file: string, part: string];
  /** A transfer's own directory while it works, and what it leaves for people to read. */
  work(id: string): string;
  /** What nginx serves below /files/exports/. */
  exports: string;
}

export function placesBelow(data: string): Places {
  const root = resolve(data);
  return {
    uploads: join(root, 'uploads'),
    upload: (id) => [join(root, 'uploads', id), join(root, 'uploads', `${id}.part`)],
    work: (id) => join(root, 'transfers', id),
    exports: join(root, 'files', 'exports'),
  };
}
