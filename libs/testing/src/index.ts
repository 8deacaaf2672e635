// Servers and doubles for tests. Nothing outside of tests and benchmarks imports this.
export { startFixtureSite, gallery, type FixtureSite, type Handler } from './site/fixture-site.ts';
export { png } from './site/png.ts';
export { Faults, type FaultName, type FaultSetting } from './providers/faults.ts';
export { type RecordedRequest } from './providers/requests.ts';
