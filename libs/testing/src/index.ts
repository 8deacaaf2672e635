// Servers and doubles for tests. Nothing outside of tests and benchmarks imports this.
export { startFixtureSite, gallery, type FixtureSite, type Handler } from './site/fixture-site.ts';
export { png } from './site/png.ts';
