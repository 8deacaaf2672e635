import type { Logger } from '@magpie/service-kit';
import type { StepLedger } from './step-ledger.ts';

const LEVELS = new Set<string | symbol>(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);

/** The logger, and its children, without the secrets that the ledger hides. */
export function stepLog(log: Logger, ledger: StepLedger): Logger {
  return new Proxy(log, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (LEVELS.has(name)) {
        return (...parts: unknown[]) =>
          Reflect.apply(
            value,
            target,
            parts.map((part) => ledger.clean(part)),
          );
      }
      if (name === 'child') {
        return (bindings: object, ...rest: unknown[]) =>
          stepLog(Reflect.apply(value, target, [ledger.clean(bindings), ...rest]) as Logger, ledger);
      }
      return value.bind(target) as unknown;
    },
  });
}
