/**
 * What a message there and one back take between two machines that share a batch, by latency and size, without anything
 * computed: as root on Linux with `ip` and Python 3, after `npm run build`,
 *
 *     node dist/bench/exchange.js [--sizes 0.056/0.004,5.14/0.37] [--delays 0,0.2,1,5,20] [--pause 1] [--times 15]
 *                                 [--json]
 *
 * Sizes are megabytes there and back, delays milliseconds of a round trip. Before each exchange nothing is under way for
 * `--pause` seconds, as while a step is computed; both of TCP's ways to take that are measured.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delayed } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Channel } from '../src/pool/channel.js';
import { connectSecretly, listenSecretly } from '../src/pool/secret-sockets.js';
import { parseAddress } from '../src/settings/address.js';
import { quantile } from '../src/statistics/summary.js';
import { FAR, outputOf, said, withLine } from './delay-line.js';

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '0.056/0.004,5.14/0.37' },
    delays: { type: 'string', default: '0,0.2,1,5,20' },
    pause: { type: 'string', default: '1' },
    times: { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
    /** `near` or `far`, in the processes at the ends. */
    end: { type: 'string' },
  },
});

const SECRET = 'both ends of one benchmark';
const floats = (megabytes: number) => new Float32Array((megabytes * 1e6) / 4).fill(0.1);

if (options.end === 'far') await answer();
else if (options.end === 'near') console.log(JSON.stringify(await measure()));
else await compare();

async function answer(): Promise<void> {
  await listenSecretly(parseAddress(FAR), SECRET, (socket) => {
    const channel = new Channel(socket, (message) => {
      const { back } = message as { back: number };
      channel.send({ values: floats(back) });
    });
  });
  console.log('listening');
}

/** Median milliseconds of an exchange, by size. */
async function measure(): Promise<number[]> {
  const medians: number[] = [];
  for (const size of options.sizes.split(',')) {
    const [there, back] = size.split('/').map(Number) as [number, number];
    let heard = () => {};
    const channel = new Channel(await connectSecretly(parseAddress(FAR), SECRET), () => heard());
    const message = { back, values: floats(there) };
    const taken: number[] = [];
    for (let at = 0; at <= Number(options.times); at++) {
      await delayed(1000 * Number(options.pause));
      const answered = new Promise<void>((resolve) => {
        heard = resolve;
      });
      const started = performance.now();
      channel.send(message);
      await answered;
      taken.push(performance.now() - started);
    }
    channel.destroy('done');
    // The first one finds a connection that has carried nothing.
    const settled = taken.slice(1).sort((a, b) => a - b);
    medians.push(quantile(settled, 0.5));
  }
  return medians;
}

interface Row {
  delay: string;
  window: 'forgotten' | 'kept';
  milliseconds: number[];
}

async function compare(): Promise<void> {
  const rows: Row[] = [];
  for (const window of ['forgotten', 'kept'] as const)
    for (const delay of options.delays.split(','))
      await withLine({ delay, keepWindow: window === 'kept' }, async (ends) => {
        const start = (end: 'near' | 'far') => {
          const { sizes, pause, times } = options;
          const flags = Object.entries({ sizes, pause, times, end }).flatMap(([name, value]) => [
            `--${name}`,
            value,
          ]);
          const [command, ...rest] = ends[end];
          return spawn(command!, [...rest, process.execPath, fileURLToPath(import.meta.url), ...flags], {
            stdio: ['ignore', 'pipe', 'pipe'],
          });
        };
        const far = start('far');
        try {
          await said(far, far.stdout!, 'listening');
          const milliseconds = JSON.parse(await outputOf(start('near'))) as number[];
          rows.push({ delay, window, milliseconds });
          process.stderr.write(`${delay} ms, window ${window}: ${milliseconds.join(', ')}\n`);
        } finally {
          far.kill();
        }
      });
  if (options.json) console.log(JSON.stringify(rows, null, 2));
  else table(rows);
}

function table(rows: readonly Row[]): void {
  const tcp = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
  console.log(`Milliseconds for a message there and one back, TCP's ${tcp}\n`);
  console.log(
    `| round trip | window | ${options.sizes
      .split(',')
      .map((size) => `${size} MB`)
      .join(' | ')} |`,
  );
  console.log(`|---|---|${'---|'.repeat(rows[0]!.milliseconds.length)}`);
  for (const { delay, window, milliseconds } of rows)
    console.log(`| ${delay} ms | ${window} | ${milliseconds.map((each) => each.toFixed(1)).join(' | ')} |`);
}
