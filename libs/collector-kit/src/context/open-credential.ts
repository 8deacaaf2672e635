import type { SealedCredential } from '@magpie/contracts';
import { unseal, UnsealError } from '@magpie/domain';
import { Permanent } from '../errors.ts';
import type { StepCredential } from './context.ts';
import type { StepLedger } from './step-ledger.ts';

/** The credential of a step, opened when it is first asked for; from then on the ledger hides it. */
export function openCredential(
  { id, account, sealed }: SealedCredential,
  secret: string | undefined,
  ledger: StepLedger,
): StepCredential {
  let opened: string | undefined;
  return {
    id,
    ...(account === undefined ? {} : { account }),
    secret() {
      if (opened !== undefined) return opened;
      if (secret === undefined) {
        throw new Permanent('credential_unreadable', 'MAGPIE_SECRET is not set for this collector');
      }
      try {
        opened = unseal(secret, id, sealed);
      } catch (error) {
        if (!(error instanceof UnsealError)) throw error;
        const message = 'the credential was sealed with another MAGPIE_SECRET than this collector has';
        throw new Permanent('credential_unreadable', message);
      }
      ledger.hide(opened);
      return opened;
    },
  };
}
