export { makeTestDirectory, startPrivateServers, type TestServers } from './test-servers.ts';
export { freshVhost, type TestVhost } from './vhost.ts';
