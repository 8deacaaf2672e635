/** MongoDB goes away while a file comes in one request, for longer than a lease is good for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startCuttableProxy, type CuttableProxy } from '../testing/cuttable-proxy.ts';
import { hasBytes, MB, sizeOf, UploadWorld } from '../testing/upload-world.ts';

let proxy: CuttableProxy;
let world: UploadWorld;
beforeAll(async () => {
  const { hostname, port } = new URL(process.env['MAGPIE_TEST_MONGODB_URL'] ?? '');
  proxy = await startCuttableProxy(hostname, Number(port || 27017));
  const url = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`;
  world = await UploadWorld.make({}, { url });
}, 60_000);
afterAll(async () => {
  await world.close();
  await proxy.close();
}, 30_000);

it('the sender stalls, and goes on in the same request when it is back', async () => {
  const id = await world.newJob();
  const sender = world.send(id, { bytes: 24 * MB, bytesPerSecond: MB });
  await world.until(id, hasBytes);
  proxy.cut();
  // What it writes last it writes while its lease is surely its own.
  await sleep(9500);
  const written = await sizeOf(`${world.file(id)}.part`);
  await sleep(3000);
  expect(await sizeOf(`${world.file(id)}.part`)).toBe(written);
  expect(written).toBeLessThan(24 * MB);
  await proxy.mend();
  await world.isWhole(id, sender);
}, 90_000);

it('whose last byte comes meanwhile is answered when it is back', async () => {
  const id = await world.newJob();
  const sender = world.send(id, { bytesPerSecond: MB });
  await world.until(id, hasBytes);
  proxy.cut();
  sender.finish();
  let answered = false;
  void sender.answer.finally(() => (answered = true)).catch(() => undefined);
  await sleep(7000);
  expect(answered).toBe(false);
  await proxy.mend();
  await world.isWhole(id, sender);
}, 90_000);
