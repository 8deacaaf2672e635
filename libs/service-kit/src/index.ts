/** What every service of the platform needs to run: configuration, logs, health, metrics, an orderly end. */
export * from './common-config.ts';
export * from './config.ts';
export * from './health.ts';
export * from './logger.ts';
export * from './metrics.ts';
export { isSecretName, REDACTED, redactValue } from './redact.ts';
export * from './shutdown.ts';
export { Bytes, Duration, formatBytes, formatDuration, parseBytes, parseDuration } from './units.ts';
