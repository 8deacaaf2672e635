// Servers and doubles for tests. Nothing outside of tests and benchmarks imports this.
export { startFixtureSite, gallery, type FixtureSite, type Handler } from './site/fixture-site.ts';
export { png } from './site/png.ts';
export { Faults, type FaultName, type FaultSetting } from './providers/faults.ts';
export { type RecordedRequest } from './providers/requests.ts';
export {
  FACEBOOK_TOKEN,
  startFacebookDouble,
  type FacebookDouble,
  type FacebookDoubleOptions,
  type FacebookToken,
} from './providers/facebook/facebook-double.ts';
export type { OperationFaultName, OperationFaultSetting } from './providers/facebook/operation-faults.ts';
export type { Page as FacebookPage, PageSetting, PageState } from './providers/facebook/pages.ts';
export {
  startInstagramDouble,
  type InstagramDouble,
  type InstagramDoubleOptions,
} from './providers/instagram/instagram.ts';
export { type InstagramPost } from './providers/instagram/feed.ts';
export { type GraphToken } from './providers/graph/server.ts';
export {
  startYouTubeDouble,
  type YouTubeDouble,
  type YouTubeDoubleOptions,
  type YouTubeKey,
} from './providers/youtube/youtube-double.ts';
export type { DoubleVideo } from './providers/youtube/catalogue.ts';
