/** Fault switches that strike single operations of batch calls (and plain reads), where those of `Faults` strike whole requests. */
import type { ChangedType } from './page-node.ts';

export type OperationFaultName =
  /** The operation says that calls are used up. */
  | 'throttled'
  | '5xx'
  | 'expiredToken'
  /** The counts come as another type, negative, null or not at all. */
  | 'changedTypes'
  /** The operation timed out: its answer in the batch is null. */
  | 'nullOperations'
  /** The operation's body is cut in the middle; the array around it is whole. */
  | 'truncatedBody';

export interface OperationFaultSetting {
  /** How many operations it hits; without it, all until cleared. */
  readonly times?: number;
  /** Only operations whose relative URL matches. */
  readonly path?: RegExp;
  /** `throttled`: 4 (default), 17, 32, 613 or 80001. */
  readonly code?: number;
  /** `expiredToken`: 463 (default), 460 or 467. */
  readonly subcode?: number;
  /** `changedTypes`: `string` by default. */
  readonly as?: ChangedType;
}

export class OperationFaults {
  readonly #on = new Map<OperationFaultName, { setting: OperationFaultSetting; left: number }>();
  readonly #hits = new Map<OperationFaultName, number>();

  /** Whether any is on. */
  get any(): boolean {
    return this.#on.size > 0;
  }

  /** Turns a fault on, replacing an earlier setting of it. */
  set(name: OperationFaultName, setting: OperationFaultSetting = {}): void {
    this.#on.set(name, { setting, left: setting.times ?? Infinity });
  }

  /** Turns one off, or all. What was counted stays. */
  clear(name?: OperationFaultName): void {
    if (name === undefined) this.#on.clear();
    else this.#on.delete(name);
  }

  /** The setting if the fault strikes this operation; uses up one of its times. */
  take(name: OperationFaultName, relativeUrl: string): OperationFaultSetting | undefined {
    const fault = this.#on.get(name);
    if (fault === undefined) return undefined;
    if (fault.setting.path !== undefined && relativeUrl.search(fault.setting.path) < 0) return undefined;
    fault.left -= 1;
    if (fault.left <= 0) this.#on.delete(name);
    this.#hits.set(name, this.hits(name) + 1);
    return fault.setting;
  }

  /** How many operations the fault has struck since the double started. */
  hits(name: OperationFaultName): number {
    return this.#hits.get(name) ?? 0;
  }
}
