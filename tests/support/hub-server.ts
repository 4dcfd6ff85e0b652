/** A local server with the few endpoints of the Hugging Face hub that a download needs. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubServer {
  url: string;
  /** Paths asked for, in order. */
  requests: string[];
  /** `org/name` → file name → content. */
  models: Map<string, Map<string, Buffer>>;
  /** Answers a file with this instead of its content; `cut` ends the connection half-way. */
  corrupt: Map<string, Buffer | 'cut'>;
  /** Status with which to refuse everything. */
  refuse?: number;
  close(): Promise<void>;
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** Weights are listed as large files, under their SHA-256; everything else under its git hash. */
function listing(path: string, content: Buffer): object {
  const oid = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  const entry = { type: 'file', path, size: content.length, oid };
  if (!path.endsWith('.safetensors')) return entry;
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { ...entry, lfs: { oid: sha256, size: content.length, pointerSize: 135 } };
}

export async function startHub(): Promise<HubServer> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url!.split('?')[0]!);
    hub.requests.push(path);
    const refuse = (status: number): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end('{"error":"not for you"}');
    };
    const answer = (value: unknown): void => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
    };
    if (hub.refuse !== undefined) return refuse(hub.refuse);

    const api = /^\/api\/models\/(.+?)\/(revision|tree)\/(.+)$/.exec(path);
    if (api) {
      const files = hub.models.get(api[1]!);
      if (!files || !['main', 'v1', COMMIT].includes(api[3]!)) return refuse(404);
      if (api[2] === 'tree') return answer([...files].map(([name, content]) => listing(name, content)));
      return answer({ _id: '1', id: api[1], sha: COMMIT, lastModified: '2025-01-01T00:00:00Z' });
    }
    const file = /^\/(.+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    const content = file && hub.models.get(file[1]!)?.get(file[3]!);
    if (!content || file[2] !== COMMIT) return refuse(404);
    const headers = { ETag: '"x"', 'Content-Type': 'application/octet-stream' };
    if (request.headers.range === 'bytes=0-0') {
      response.writeHead(206, { ...headers, 'Content-Range': `bytes 0-0/${content.length}` });
      return response.end(content.subarray(0, 1));
    }
    const sent = hub.corrupt.get(file[3]!) ?? content;
    response.writeHead(200, { ...headers, 'Content-Length': (sent === 'cut' ? content : sent).length });
    if (sent !== 'cut') return response.end(sent);
    response.write(content.subarray(0, content.length / 2), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hub: HubServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    models: new Map(),
    corrupt: new Map(),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return hub;
}
