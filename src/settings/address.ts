/** Where a machine listens, as settings have it. */
import { text } from './schemas.js';

export interface Address {
  host: string;
  port: number;
}

/** An IPv6 address stands in brackets. */
const FORM = /^(?:(\[[\da-fA-F:.]+\]|[^\s:,/[\]]+):)?(\d{1,5})$/;
const LARGEST_PORT = 65_535;
const HINT = 'give HOST:PORT, or a PORT of this machine';

export const address = text
  .regex(FORM, HINT)
  .refine((given) => Number(FORM.exec(given)?.[2] ?? 0) <= LARGEST_PORT, HINT);

/**
 * A port alone is one of the loopback address, which no other machine reaches.
 * @param given as {@link address} allows it
 */
export function parseAddress(given: string): Address {
  const [, host = '127.0.0.1', port] = FORM.exec(given)!;
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

export function addressText({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
