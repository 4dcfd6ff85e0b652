"""
A line between two network namespaces that delays every packet: `delay-line.py NEAR FAR MILLISECONDS`, as root. Each end
is a TUN device called `line`, 10.77.0.1 in NEAR and 10.77.0.2 in FAR, so that both ends are the kernel's own TCP. It is
what `tc qdisc add … netem delay` does where the kernel has netem; not every kernel has. Prints `ready`, ends when its
input does. MILLISECONDS are those of a round trip; half of them on each way.
"""

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x0001 | 0x1000
CLONE_NEWNET = 0x40000000
PACKET = 65536
# Of these, packets that are on the way when no more fit are lost, as in a router.
MOST_PACKETS = 50_000

libc = ctypes.CDLL(None, use_errno=True)


def end_in(namespace, address):
    """Opens a device in a namespace: this process goes there for a moment."""
    with open(f"/run/netns/{namespace}") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    line = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(line, TUNSETIFF, struct.pack("16sH22x", b"line", IFF_TUN_NO_PI))
    for command in (["addr", "add", f"{address}/24", "dev", "line"], ["link", "set", "line", "up", "txqueuelen", "10000"]):
        subprocess.run(["ip", "-n", namespace, *command], check=True)
    return line


def main():
    near, far, milliseconds = sys.argv[1:]
    delay = float(milliseconds) / 2000
    ends = [end_in(near, "10.77.0.1"), end_in(far, "10.77.0.2")]
    # For each way: where packets come out, and those that are on it.
    ways = {ends[0]: (ends[1], deque()), ends[1]: (ends[0], deque())}
    heard = [*ends, sys.stdin.fileno()]
    print("ready", flush=True)
    while True:
        first = min((waiting[0][0] for _, waiting in ways.values() if waiting), default=None)
        # Of its kin, select alone knows of microseconds.
        wait = None if first is None else max(0.0, first - time.monotonic())
        for descriptor in select.select(heard, [], [], wait)[0]:
            if descriptor not in ways:
                return
            waiting = ways[descriptor][1]
            due = time.monotonic() + delay
            try:
                # A few at a time, so that what is due does not wait for what comes.
                for _ in range(16):
                    packet = os.read(descriptor, PACKET)
                    if len(waiting) < MOST_PACKETS:
                        waiting.append((due, packet))
            except BlockingIOError:
                pass
        now = time.monotonic()
        for out, waiting in ways.values():
            while waiting and waiting[0][0] <= now:
                os.write(out, waiting.popleft()[1])


main()
