// A leaf: schemas, types and codes. Imports nothing of the workspace and does no I/O.
export * from './errors.ts';
export * from './format.ts';
export * from './job.ts';
export * from './item.ts';
export * from './sample.ts';
export * from './fans.ts';
export * from './step.ts';
export * from './schedule.ts';
export * from './source.ts';
export * from './messages.ts';
export * from './http.ts';
export * from './credential.ts';
export * from './plan.ts';
export * from './video.ts';
export * from './transfer.ts';
export * from './transfer-requests.ts';
