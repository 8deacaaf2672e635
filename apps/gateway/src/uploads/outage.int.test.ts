/** MongoDB goes away while a file comes in one request, for longer than a lease is good for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { mongodbLink } from '../testing/mongodb-link.ts';
import { MB, sizeOf, UploadWorld } from '../testing/upload-world.ts';

/** A gateway whose way to MongoDB can be cut. */
async function makeWorld() {
  const link = await mongodbLink();
  return { link, world: await UploadWorld.make({}, { url: link.url }) };
}

// One each: most of the time nothing happens, so they are side by side.
let worlds: Awaited<ReturnType<typeof makeWorld>>[];
beforeAll(async () => {
  worlds = await Promise.all([makeWorld(), makeWorld()]);
});
afterAll(async () => {
  for (const { world, link } of worlds) {
    await world.close();
    await link.close();
  }
});

it.concurrent('the sender stalls, and goes on in the same request when it is back', async () => {
  const { world, link } = worlds[0]!;
  const id = await world.newJob();
  const sender = world.send(id, { bytesPerSecond: MB });
  await world.comes(id);
  link.shut();
  // What it writes last it writes while its lease is surely its own.
  await sleep(9500);
  const written = await sizeOf(`${world.file(id)}.part`);
  await sleep(3000);
  expect(await sizeOf(`${world.file(id)}.part`)).toBe(written);
  expect(written).toBeLessThan(sender.sent);
  link.reopen();
  sender.finish();
  await world.isWhole(id, sender);
});

it.concurrent('whose last byte comes meanwhile is answered when it is back', async () => {
  const { world, link } = worlds[1]!;
  const id = await world.newJob();
  const sender = world.send(id, { bytesPerSecond: MB });
  await world.comes(id);
  link.shut();
  sender.finish();
  let answered = false;
  void sender.answer.finally(() => (answered = true)).catch(() => undefined);
  await sleep(7000);
  expect(answered).toBe(false);
  link.reopen();
  await world.isWhole(id, sender);
});
