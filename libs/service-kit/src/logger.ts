import { pino, stdSerializers, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { mayHoldSecret, redactText, redactValue } from './redact.ts';

/** The platform's logger. Bind what a line is about: `log.child({ jobId, stepId, correlationId })`. */
export type Logger = PinoLogger;

/** The names by which a line is followed through every service. */
export interface LogBindings {
  jobId?: string;
  runId?: string;
  stepId?: string;
  correlationId?: string;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  /** Name of the service, on every line. */
  name: string;
  /** Lines below it aren't written; default `info`. */
  level?: LogLevel;
  /** Coloured lines for people instead of JSON; default: whether standard output is a terminal. */
  pretty?: boolean;
  /** Where lines go; default standard output. Written to synchronously, so that no line is lost at exit. */
  stream?: DestinationStream;
}

/**
 * One line an event: JSON with `level`, `time` (ISO 8601), `name`, `pid`, `msg`, or pretty on a terminal.
 * No secret leaves it: each finished line, with the bindings and errors in it, is scrubbed by name and by content
 * (see redact.ts), so that no serializer or child logger can pass one by.
 */
export function createLogger({ name, level = 'info', pretty, stream }: LoggerOptions): Logger {
  const out = stream ?? pino.destination({ dest: 1, sync: true });
  const human = pretty ?? (stream === undefined && process.stdout.isTTY);
  const error = stdSerializers.err;
  return pino(
    {
      level,
      base: { name, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: error, error, cause: error, reason: error },
      hooks: { streamWrite: scrubLine },
    },
    human ? prettyStream(out) : out,
  );
}

function scrubLine(line: string): string {
  if (!mayHoldSecret(line)) return line;
  try {
    return `${JSON.stringify(redactValue(JSON.parse(line)))}\n`;
  } catch {
    return redactText(line);
  }
}

function prettyStream(out: DestinationStream): DestinationStream {
  const format = prettyFactory({
    colorize: process.stdout.isTTY && !process.env['NO_COLOR'],
    ignore: 'pid',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
  return { write: (line) => out.write(format(line) ?? '') };
}
