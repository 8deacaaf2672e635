/** What a source is written with, and what runs it. */
export { Type, type Static } from 'typebox';
export type {
  Accept,
  FoundItem,
  NextStep,
  Sample,
  SourceDescription,
  StoredFile,
  TargetReport,
} from '@magpie/contracts';
export { HttpUrl, Instant, Recheck } from '@magpie/contracts';
export {
  canonicalUrl,
  hostKey,
  instantOf,
  InvalidMoment,
  isSameHost,
  isSameSite,
  UrlError,
} from '@magpie/domain';
export * from './errors.ts';
export type { HttpRequestOptions, HttpResponse, RobotsRules } from './http/index.ts';
export * from './api/index.ts';
export type { StepContext, StepCredential, StepHttp } from './context/context.ts';
export { defineSource, type Source, type SourceDeclaration } from './source/define-source.ts';
export { decodeDataUrl } from './files/index.ts';
export {
  boundHtml,
  createScope,
  decodeHtml,
  discoverLinks,
  parseSitemap,
  ScopeError,
  type DiscoveredLinks,
} from './html/index.ts';
export {
  RunInput,
  step,
  type Handler,
  type StartInput,
  type Step,
  type StepResult,
  type TargetsInput,
} from './source/step.ts';
export { defineConfig as defineSettings } from '@magpie/service-kit';
export { settingsOf, type Settings } from './source/settings.ts';
export { LIMITS, withinLimits } from './source/limits.ts';
export { collectorConfig } from './run/config.ts';
export { runCollector } from './run/run-collector.ts';
export { startCollector, type Collector, type CollectorOptions } from './run/start-collector.ts';
export * from './web/index.ts';
