/** Messages to and from the other end of a connection. */
import type { Socket } from 'node:net';
import { FrameError, FrameReader, framed } from './frames.js';

export class Channel {
  /** Settles with the reason once no more comes; also when the other end says that it goes. */
  readonly closed: Promise<string>;
  #why: string | null = null;

  /** @param onMessage hears each message; what it throws ends the connection, as bytes that are no messages do */
  constructor(
    private readonly socket: Socket,
    onMessage: (message: unknown) => void,
  ) {
    const frames = new FrameReader();
    socket.on('data', (chunk) => {
      try {
        for (const message of frames.read(chunk)) if (!socket.destroyed) onMessage(message);
      } catch (error) {
        this.destroy(
          error instanceof FrameError
            ? `sent bytes that are no message (${error.message})`
            : 'sent a message that is not understood',
        );
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#why ??= `connection lost (${error.code ?? error.message})`;
    });
    this.closed = new Promise((resolve) =>
      socket.on('close', () => resolve(this.#why ?? 'connection closed')),
    );
  }

  /** Bytes that have come, of messages that are not whole yet, too. */
  get received(): number {
    return this.socket.bytesRead;
  }

  /** @throws InputError if the message is too large */
  send(message: unknown): void {
    const pieces = framed(message);
    if (!this.socket.writable) return;
    this.socket.cork();
    for (const piece of pieces) this.socket.write(piece);
    this.socket.uncork();
  }

  /** Sends what was given, then goes. */
  end(): void {
    this.socket.destroySoon();
  }

  /** @param why what {@link closed} says */
  destroy(why: string): void {
    this.#why ??= why;
    this.socket.destroy();
  }
}
