/** For the tests of sources. */
export {
  createPlayer,
  firstSteps,
  playJob,
  terminating,
  type PlayedJob,
  type PlayedStep,
  type PlayerOptions,
  type PlayOptions,
  type Player,
} from './play-job.ts';
export { serveSite, type Route, type Site } from './site.ts';
export { png } from './png.ts';
export { testSource, type CaseServer, type SourceCase, type SourceTests } from './test-source.ts';
