/** The connection to Redis: what BullMQ makes of it outlives a server that goes away at any moment. */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'bullmq';
import { expect, it } from 'vitest';
import { openRedis } from '../../src/queue/redis.js';
import { describeWithRedis, RedisServer } from '../support/redis-server.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

describeWithRedis('a connection', () => {
  it('lets a worker begin while Redis is away: it works once Redis is back', async () => {
    const server = await RedisServer.start(join(folder, 'away'));
    const redis = await openRedis(server.url);
    await server.stop('SIGKILL');
    // It opens a connection of its own, with the options of ours.
    const worker = new Worker('queue', async () => {}, { connection: redis });
    const refused = once(worker, 'error');
    try {
      const ready = worker.waitUntilReady();
      // Refused at least once before there is a server.
      await refused;
      worker.on('error', () => {});
      await server.start();
      await expect(ready).resolves.toBeUndefined();
    } finally {
      await worker.close();
      redis.disconnect();
      await server.stop();
    }
  });

  it('that gets no answer, or the wrong password, is one line without the password', async () => {
    const server = await RedisServer.start(join(folder, 'locked'), 'the-right-one');
    await expect(openRedis(server.url.replace('the-right-one', 'a-wrong-one'))).rejects.toThrow(
      /^redis:\/\/127\.0\.0\.1:\d+: refuses the password; /,
    );
    await server.stop();
    await expect(openRedis(server.url)).rejects.toThrow(
      /^redis:\/\/127\.0\.0\.1:\d+: cannot be reached \(ECONNREFUSED\); /,
    );
  });
});
