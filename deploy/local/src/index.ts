export { startServers, type ServerName, type Servers, type StartServersOptions } from './servers.ts';
export type { RunningServer, ServerKind } from './server.ts';
export { ManagedProcess, type ProcessSpec } from './managed-process.ts';
export { freePort, pickPort, portHolder } from './ports.ts';
export { startNginx, type Nginx, type StartNginxOptions } from './nginx.ts';
export { collectorIds, startPlatform, type Platform, type PlatformOptions } from './platform/platform.ts';
