/** What the broker logs to; a pino logger fits. Neither credentials nor message bodies are ever logged. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const nothing = (): void => {};
export const SILENT: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
