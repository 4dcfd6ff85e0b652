/**
 * Connections between machines that know one secret: TLS 1.3 with a key that is made of it (a "pre-shared key"), so that
 * without it nobody gets in, listens or answers in a machine's stead. There are no certificates.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import { InputError, throwIfAborted } from '../errors.js';
import { type Address, addressText } from '../settings/address.js';

/** What holds the secret: a flag is seen by everyone who lists processes. */
const SECRET_VARIABLE = 'ORTHOSCOPE_SHARE_TOKEN';
/** Whoever records a connection can try out short ones at leisure. */
const LEAST_CHARACTERS = 16;

/** Milliseconds for a connection to come about. */
const SLOWEST = 10_000;
/** Of anybody: more would only be attacks. */
const MOST_CONNECTIONS = 64;
/** Milliseconds of silence after which the other side's kernel is asked whether it is there. */
const ASKED_AFTER = 10_000;

const PROTOCOL = {
  minVersion: 'TLSv1.3',
  // Its hash is the one that a pre-shared key goes with.
  ciphers: 'TLS_AES_128_GCM_SHA256',
} as const satisfies SecureContextOptions;

/**
 * The secret that machines share.
 * @throws InputError if there is none, or it is too short
 */
export function sharedSecret(): string {
  const secret = process.env[SECRET_VARIABLE] ?? '';
  if (secret.length >= LEAST_CHARACTERS) return secret;
  throw new InputError(
    `${SECRET_VARIABLE} ${secret === '' ? 'is not set' : `has fewer than ${LEAST_CHARACTERS} characters`}: set it to the same text on every machine, such as "openssl rand -hex 32" prints`,
  );
}

export interface SecretServer {
  /** As it listens, with the port that was chosen for 0. */
  address: Address;
  /** Hears no more; connections go on. */
  close(): void;
}

/**
 * @param onSocket gets each connection of somebody who knows the secret; errors of it are to be heard there
 * @throws InputError if the address cannot be listened on
 */
export async function listenSecretly(
  { host, port }: Address,
  secret: string,
  onSocket: (socket: TLSSocket) => void,
): Promise<SecretServer> {
  const server: Server = createServer(
    { ...PROTOCOL, pskCallback: () => keyOf(secret), handshakeTimeout: SLOWEST },
    (socket) => onSocket(prepared(socket)),
  );
  server.maxConnections = MOST_CONNECTIONS;
  // Strangers, scanners, and those with another secret.
  server.on('tlsClientError', (_, socket) => socket.destroy());
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new InputError(
      `--listen ${addressText({ host, port })}: cannot be listened on (${(error as NodeJS.ErrnoException).code}); name another`,
    );
  }
  // One that cannot be taken is the peer's loss.
  server.on('error', () => {});
  return { address: { host, port: (server.address() as AddressInfo).port }, close: () => server.close() };
}

/**
 * @throws InputError if nobody answers, or whoever does has not the same secret
 * @throws InterruptedError if the signal fires
 */
export async function connectSecretly(
  address: Address,
  secret: string,
  signal?: AbortSignal,
): Promise<TLSSocket> {
  const socket = connect({
    ...address,
    ...PROTOCOL,
    pskCallback: () => ({ psk: keyOf(secret), identity: 'orthoscope' }),
    // The key says who it is.
    checkServerIdentity: () => undefined,
  });
  const late = AbortSignal.timeout(SLOWEST);
  try {
    await once(socket, 'secureConnect', { signal: signal ? AbortSignal.any([signal, late]) : late });
  } catch (error) {
    socket.on('error', () => {}).destroy();
    throwIfAborted(signal);
    throw new InputError(`${addressText(address)}: ${reasonOf(error as NodeJS.ErrnoException, late)}`);
  }
  return prepared(socket);
}

function reasonOf({ code = '' }: NodeJS.ErrnoException, late: AbortSignal): string {
  if (late.aborted)
    return `no answer in ${SLOWEST / 1000} s; is "orthoscope worker --listen" running there, and no firewall between?`;
  // The other side ends the connection, or says what is wrong with it, only once it listens.
  if (code.startsWith('ERR_SSL') || code === 'ECONNRESET')
    return `does not know the same ${SECRET_VARIABLE}, or is no "orthoscope worker --listen"`;
  return `cannot be reached (${code}); is "orthoscope worker --listen" running there?`;
}

/** The secret is random, so that a plain hash of it will do. */
function keyOf(secret: string): Buffer {
  return createHash('sha256').update(`orthoscope share ${secret}`).digest();
}

/** Small messages go at once, and a machine that has lost its power is missed. */
function prepared(socket: TLSSocket): TLSSocket {
  return socket.setNoDelay(true).setKeepAlive(true, ASKED_AFTER);
}
