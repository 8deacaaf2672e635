// A leaf: pure words of the domain. Imports nothing of the workspace and does no I/O.
export * from './job.ts';
export * from './retry.ts';
export * from './id.ts';
export * from './url.ts';
export * from './url-scope.ts';
export * from './address.ts';
export * from './seal.ts';
export * from './terms.ts';
export * from './quota.ts';
export * from './plan.ts';
export * from './duration.ts';
export * from './schedule.ts';
export * from './period.ts';
export * from './resolve-schedule.ts';
export * from './spread.ts';
export * from './samples.ts';
export * from './csv.ts';
