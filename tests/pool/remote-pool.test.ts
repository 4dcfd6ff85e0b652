/** Workers of another machine, over real connections to this one: what goes well, and every way in which it does not. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InputError, InterruptedError } from '../../src/errors.js';
import { framed } from '../../src/pool/frames.js';
import { openProcesses } from '../../src/pool/processes.js';
import { LostError, openRemotePool } from '../../src/pool/remote-pool.js';
import { connectSecretly, listenSecretly, type SecretServer } from '../../src/pool/secret-sockets.js';
import { servePool } from '../../src/pool/served-pool.js';
import type { WorkerPool } from '../../src/pool/worker-pool.js';
import { runs } from '../support/runs.js';
import { until } from '../support/until.js';

const SECRET = 'a secret of two machines';
const LOCAL = { host: '127.0.0.1', port: 0 };
const file = '../tests/pool/process-jobs.mjs';

/** The other machine, in this process: each connection has two processes of its own. */
class Other {
  readonly stop = new AbortController();
  readonly sockets: TLSSocket[] = [];
  /** Connections that were served to their end. */
  ended = 0;
  server!: SecretServer;

  async listen(): Promise<this> {
    this.server = await listenSecretly(LOCAL, SECRET, (socket) => {
      this.sockets.push(socket);
      void servePool(socket, async (hello) => this.#open(hello), this.stop.signal).then(() => this.ended++);
    });
    return this;
  }

  #open(hello: unknown) {
    if (hello === 'fault') throw new RangeError('out of range');
    if (hello !== 'two workers') throw new InputError('has no such model');
    const places = ['a', 'b'].map((place) => ({ name: `place ${place}`, env: { PLACE: place } }));
    return {
      pool: openProcesses({ file, places }),
      received: (name: string, job: unknown) => {
        if (name === 'unknown') throw new Error('no job is called unknown');
        return job;
      },
    };
  }

  async close(): Promise<void> {
    this.stop.abort();
    this.server.close();
    await until(() => this.ended === this.sockets.length);
  }
}

let other: Other;
const pools: WorkerPool[] = [];

beforeEach(async () => {
  other = await new Other().listen();
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  await other.close();
});

interface Asked {
  hello?: string;
  secret?: string;
  signal?: AbortSignal;
}

async function open({ hello = 'two workers', secret = SECRET, signal }: Asked = {}): Promise<WorkerPool> {
  const pool = await openRemotePool({
    socket: await connectSecretly(other.server.address, secret, signal),
    name: 'host:7400',
    hello,
    toSend: (job) => job,
    answered: (_, value) => value,
    signal,
  });
  pools.push(pool);
  return pool;
}

interface Self {
  pid: number;
  place: string;
  jobs: number;
}
const selves = (pool: WorkerPool) => Promise.all([0, 1].map(() => pool.run<Self>('whoami', null)));

it('does jobs there, as many at once as there are workers, and gives them back as they are', async () => {
  const pool = await open();
  expect(pool.workers).toBe(2);
  expect((await selves(pool)).map(({ place }) => place)).toEqual(['a', 'b']);
  const values = Float32Array.of(0.1, 1, 2).subarray(1);
  expect(await pool.run('sum', { values })).toEqual({ total: 3, doubled: Float32Array.of(2, 4) });
});

it('refuses input as the job does, and names the machine of a fault', async () => {
  const pool = await open();
  await expect(pool.run('refuse', null)).rejects.toThrow(
    new InputError('host:7400: no such layer; give another'),
  );
  const fault = await pool.run('fail', null).catch((error) => error);
  expect(fault).not.toBeInstanceOf(InputError);
  expect(fault.message).toBe('host:7400: place a: out of range');
  await expect(pool.run('unknown', null)).rejects.toThrow('host:7400: no job is called unknown');
  expect(await pool.run('sum', { values: Int32Array.of(1, 2) })).toMatchObject({ total: 3 });
});

it('says which process there died, and goes on', async () => {
  const pool = await open();
  await expect(pool.run('die', 'SIGKILL')).rejects.toThrow(
    /^host:7400: place a: its process ended with SIGKILL/,
  );
  expect(await selves(pool)).toMatchObject([{ jobs: 1 }, { jobs: 1 }]);
});

it('is refused in one line where the other machine cannot do it, or fails', async () => {
  await expect(open({ hello: 'three' })).rejects.toThrow(new InputError('host:7400: has no such model'));
  await expect(open({ hello: 'fault' })).rejects.toThrow(
    new InputError('host:7400: a fault there: out of range'),
  );
  await until(() => other.ended === 2);
});

it('ends the process of a job that is interrupted; the others go on', async () => {
  const pool = await open();
  const [a, b] = await selves(pool);
  const stop = new AbortController();
  const asleep = pool.run('sleep', 600_000, stop.signal);
  const longer = pool.run('sleep', 300);
  stop.abort();
  await expect(asleep).rejects.toThrow(InterruptedError);
  await until(() => !runs(a!.pid));
  await longer;
  expect(runs(b!.pid)).toBe(true);
  await expect(pool.run('whoami', null, stop.signal)).rejects.toThrow(InterruptedError);
});

it('is interrupted while it connects and while it waits for the other side', async () => {
  const stop = new AbortController();
  const opening = open({ signal: stop.signal });
  stop.abort();
  await expect(opening).rejects.toThrow(InterruptedError);
  await expect(open({ signal: stop.signal })).rejects.toThrow(InterruptedError);
});

it('waits for what runs when it is closed, and leaves no process there', async () => {
  const pool = await open();
  const all = await selves(pool);
  const running = pool.run('sleep', 200);
  await pool.close();
  await running;
  expect(all.map(({ pid }) => runs(pid))).toEqual([false, false]);
  // The two sides of a connection hear of its end one after the other.
  await until(() => other.ended === 1);
  await expect(pool.run('whoami', null)).rejects.toThrow(LostError);
});

it('ends the workers of whoever goes away without a word', async () => {
  const pool = await open();
  const all = await selves(pool);
  pool.run('sleep', 600_000).catch(() => {});
  pools.length = 0;
  other.sockets[0]!.destroy();
  await until(() => !all.some(({ pid }) => runs(pid)));
  await until(() => other.ended === 1);
});

describe('a machine that goes away', () => {
  it('says so to all that wait for it, and to whoever asks later', async () => {
    const pool = await open();
    const waiting = [pool.run('sleep', 600_000), pool.run('sleep', 600_000)];
    await delay(100);
    other.sockets[0]!.destroy();
    for (const each of await Promise.allSettled(waiting)) {
      expect(each).toMatchObject({ reason: { name: 'InputError' } });
      expect((each as PromiseRejectedResult).reason).toBeInstanceOf(LostError);
      expect((each as PromiseRejectedResult).reason.message).toMatch(/^host:7400: connection (lost|closed)/);
    }
    await expect(pool.run('whoami', null)).rejects.toThrow(LostError);
    await pool.close();
  });

  it('is one that was told to stop, too: what it had underway has no outcome', async () => {
    const pool = await open();
    const running = expect(pool.run('sleep', 600_000)).rejects.toThrow(LostError);
    await delay(100);
    other.stop.abort();
    await running;
    await expect(pool.run('whoami', null)).rejects.toThrow(LostError);
  });

  it('is given up after half a minute without a sign of life', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const silent = await listenSecretly(LOCAL, SECRET, (socket) => {
      for (const piece of framed({ workers: 1 })) socket.write(piece);
    });
    try {
      const pool = await openRemotePool({
        socket: await connectSecretly(silent.address, SECRET),
        name: 'host:7400',
        hello: null,
        toSend: (job) => job,
        answered: (_, value) => value,
      });
      const running = expect(pool.run('whoami', null)).rejects.toThrow('host:7400: no sign of life for 30 s');
      vi.advanceTimersByTime(30_000);
      expect(await Promise.race([pool.run('whoami', null), delay(50, 'still waiting')])).toBe(
        'still waiting',
      );
      vi.advanceTimersByTime(6000);
      await running;
    } finally {
      vi.useRealTimers();
      silent.close();
    }
  });

  it('is not one that is in the middle of a long answer', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const answer = Buffer.concat(framed({ id: 0, outcome: { value: 'after a while' } }));
    const slow = await listenSecretly(LOCAL, SECRET, (socket) => {
      for (const piece of framed({ workers: 1 })) socket.write(piece);
      other.sockets.push(socket);
    });
    try {
      const pool = await openRemotePool({
        socket: await connectSecretly(slow.address, SECRET),
        name: 'host:7400',
        hello: null,
        toSend: (job) => job,
        answered: (_, value) => value,
      });
      const running = pool.run('whoami', null);
      for (const byte of answer) {
        other.sockets[0]!.write(Buffer.of(byte));
        await delay(5);
        vi.advanceTimersByTime(5000);
      }
      expect(await running).toBe('after a while');
    } finally {
      vi.useRealTimers();
      other.sockets.pop()!.destroy();
      slow.close();
    }
  });

  it('is still there while it works on something long', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const pool = await open();
      const running = pool.run('sleep', 1500);
      for (let seconds = 0; seconds < 60; seconds += 5) {
        vi.advanceTimersByTime(5000);
        await delay(20);
      }
      await running;
    } finally {
      vi.useRealTimers();
    }
  });
});

/** Sends bytes to the other machine, without the secret; resolves once it has hung up. */
async function stranger(bytes: Buffer | string): Promise<void> {
  const socket: Socket = connect(other.server.address);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(bytes);
  await new Promise((resolve) => socket.resume().once('close', resolve));
}

describe('whoever has no business here', () => {
  it('knows another secret, and is told so', async () => {
    await expect(open({ secret: 'another secret of two' })).rejects.toThrow(
      /^127\.0\.0\.1:\d+: does not know the same ORTHOSCOPE_SHARE_TOKEN, or is no "orthoscope worker --listen"$/,
    );
    expect(other.sockets).toEqual([]);
  });

  it('speaks no TLS, or TLS without a key', async () => {
    await stranger('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await stranger(Buffer.alloc(100_000, 0xff));
    await stranger(Buffer.concat(framed({ hello: 'two workers' })));
    expect(other.sockets).toEqual([]);
    expect((await open()).workers).toBe(2);
  });

  it.each([
    ['bytes that are no messages', Buffer.alloc(64, 0xff)],
    ['a message that nobody expects', Buffer.concat(framed({ run: 'rm' }))],
    ['a job before it says what it wants', Buffer.concat(framed({ id: 0, name: 'whoami', job: 1 }))],
    [
      'a second hello',
      Buffer.concat([...framed({ hello: 'two workers' }), ...framed({ hello: 'two workers' })]),
    ],
    ['half a message', Buffer.concat(framed({ hello: 'two workers' })).subarray(0, 20)],
  ])('knows the secret and sends %s', async (_, bytes) => {
    const socket = await connectSecretly(other.server.address, SECRET);
    socket.on('error', () => {}).resume();
    socket.write(bytes);
    await delay(200);
    socket.destroy();
    await until(() => other.ended === 1);
    expect(await (await open()).run('sum', { values: Int32Array.of(1) })).toMatchObject({ total: 1 });
  });
});

it('says that nobody listens, or that somebody else does', async () => {
  const web = createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
    0,
    '127.0.0.1',
  );
  await once(web, 'listening');
  const { port } = web.address() as { port: number };
  await expect(connectSecretly({ host: '127.0.0.1', port }, SECRET)).rejects.toThrow(
    /or is no "orthoscope worker --listen"$/,
  );
  web.close();
  await once(web, 'close');
  await expect(connectSecretly({ host: '127.0.0.1', port }, SECRET)).rejects.toThrow(
    new InputError(
      `127.0.0.1:${port}: cannot be reached (ECONNREFUSED); is "orthoscope worker --listen" running there?`,
    ),
  );
  await expect(listenSecretly(other.server.address, SECRET, () => {})).rejects.toThrow(
    /^--listen 127\.0\.0\.1:\d+: cannot be listened on \(EADDRINUSE\); name another$/,
  );
});
