import { faultyLink, type FaultyLink } from '@magpie/broker/testing';

/** A way to the MongoDB of the tests that can be shut. */
export function mongodbLink(): Promise<FaultyLink> {
  const url = new URL(process.env['MAGPIE_TEST_MONGODB_URL'] ?? '');
  url.port ||= '27017';
  url.search = '?directConnection=true';
  return faultyLink(url.href);
}
