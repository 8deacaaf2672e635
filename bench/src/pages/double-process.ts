/** The provider's double in a process of its own, so that its CPU time is not the platform's. Told to report by IPC. */
import { startFacebookDouble } from '@magpie/testing';

const double = await startFacebookDouble({ pages: Number(process.argv[2]), shares: {}, record: false });
process.on('message', () => process.send?.({ url: double.url, ...double.calls }));
process.on('disconnect', () => void double.close().then(() => process.exit(0)));
process.send?.({ url: double.url, ...double.calls });
