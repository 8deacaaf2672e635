// Ends with 0 if the service in this container answers on /healthz; the gateway serves it on its own port.
// By node:http: loading fetch takes three times as long, and this runs every few seconds.
import { get } from 'node:http';

const port = process.env.MAGPIE_GATEWAY_PORT || process.env.HEALTH_PORT;
get(`http://127.0.0.1:${port}/healthz`, { timeout: 4000 }, ({ statusCode }) =>
  process.exit(statusCode === 200 ? 0 : 1),
)
  .on('timeout', () => process.exit(1))
  .on('error', () => process.exit(1));
