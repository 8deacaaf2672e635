export * from './documents.ts';
export * from './models.ts';
export * from './connect.ts';
