import { uploadIsRead, type JobDocument, type Store } from '@magpie/store';
import { HttpProblem } from '../problems.ts';

/**
 * An upload is not removed from under an import; other jobs are no uploads, and pass.
 * @throws HttpProblem `invalid_transition`
 */
export async function requireUnread(store: Store, { _id, state, transfer }: JobDocument): Promise<void> {
  if (transfer?.kind === 'upload' && transfer.file !== null && (await uploadIsRead(store, _id)))
    throw new HttpProblem(
      'invalid_transition',
      'An import that has not ended reads it: wait for that, or terminate it (GET /api/v1/imports).',
      { state, allowed: [] },
    );
}
