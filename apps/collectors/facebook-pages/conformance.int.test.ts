import { testSource } from '@magpie/collector-kit/testing';
import { FACEBOOK_TOKEN, startFacebookDouble, type FacebookDoubleOptions } from '@magpie/testing';
import source from './source.ts';

const serve = async (options: FacebookDoubleOptions = {}) => {
  const { url, close, set } = await startFacebookDouble(options);
  set('page00004', { state: 'deleted' });
  return { origin: url, close };
};
const settings = (origin: string): Record<string, string> => ({ FACEBOOK_API_URL: origin });
const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `page${String(i + 1).padStart(5, '0')}`);

testSource(source, {
  credential: FACEBOOK_TOKEN,
  cases: [
    {
      name: 'pages, one of which is gone',
      serve,
      settings,
      params: () => ({ pages: names(5) }),
      run: { number: 1, at: 1_700_000_000_000 },
      items: [],
      samples: ['page00001', 'page00002', 'page00003', 'page00005'],
    },
    {
      name: 'more pages than go into a call, with a token that is over',
      serve: () => serve({ tokens: { [FACEBOOK_TOKEN]: { appId: 'app', expired: true } } }),
      settings,
      params: () => ({ pages: names(51) }),
      items: [],
      undone: ['credential_refused', 'credential_refused'],
    },
  ],
});
