/** The connection to Redis: opened from a URL whose password never appears in a message. */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { InputError } from '../errors.js';

/** Seconds in which a first answer must come; later, connections are waited for without end. */
const FIRST_ANSWER = 10;

/** What BullMQ's scripts need. */
const LEAST_VERSION = [6, 2];

/** `redis://host:6379/0`: what may be shown of a URL. Everything but host, port and database is left out. */
function shownUrl(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
  } catch {
    return 'the Redis URL';
  }
}

/** @throws InputError unless it is one, without showing it: there may be a password in it */
export function checkRedisUrl(url: string): void {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url))
    throw new InputError('--redis: give a URL such as redis://host:6379 or rediss://user:password@host:6379');
}

/**
 * Connects; the caller disconnects. A connection that is lost later is taken up again, and commands wait for it.
 * @param url `redis://` or, with TLS, `rediss://`; user and password in it
 * @param onNote hears when the connection is lost and when it is back
 * @throws InputError if the URL is none, nothing answers, the password is wrong or the server too old
 */
export async function openRedis(url: string, onNote: (line: string) => void = () => {}): Promise<Redis> {
  const shown = shownUrl(url);
  checkRedisUrl(url);
  let ready = false;
  let lost = false;
  const redis = new Redis(url, {
    // BullMQ asks for it: a worker that waits for a job must not give up.
    maxRetriesPerRequest: null,
    connectTimeout: FIRST_ANSWER * 1000,
    // Asked after a connection is lost, not after one is closed.
    retryStrategy: (times) => {
      if (!ready) return null;
      if (!lost) onNote(`${shown}: connection lost; waiting for it`);
      lost = true;
      return Math.min(100 * times, 2000);
    },
    // Not lazily: BullMQ's worker copies these options for a connection of its own, and that one, lazy, would be given
    // up for good if Redis went away while it was being opened.
    lazyConnect: false,
  });
  redis.on('error', () => {});
  redis.on('ready', () => {
    if (lost) onNote(`${shown}: connected again`);
    lost = false;
  });
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${FIRST_ANSWER} s`)), FIRST_ANSWER * 1000);
  });
  try {
    await Promise.race([once(redis, 'ready'), silence]);
    const [, version = ''] =
      /redis_version:(\S+)/.exec(await Promise.race([redis.info('server'), silence])) ?? [];
    checkVersion(version, shown);
  } catch (error) {
    redis.disconnect();
    if (error instanceof InputError) throw error;
    throw new InputError(
      `${shown}: ${reasonOf(error as Error)}; is Redis running there, and the password right?`,
    );
  } finally {
    clearTimeout(timer);
  }
  ready = true;
  return redis;
}

function checkVersion(version: string, shown: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = LEAST_VERSION as [number, number];
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  throw new InputError(`${shown}: Redis ${version}; ${LEAST_VERSION.join('.')} or newer is needed`);
}

/** The cause, without what the client adds: its messages may repeat arguments. */
function reasonOf(error: Error): string {
  const cause = error as NodeJS.ErrnoException;
  if (/WRONGPASS|NOAUTH|invalid password/i.test(error.message)) return 'refuses the password';
  if (cause.code !== undefined) return `cannot be reached (${cause.code})`;
  return /no answer/.test(error.message) ? error.message : 'cannot be reached';
}
