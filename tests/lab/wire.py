#!/usr/bin/python3
"""A slow and lossy wire between two network devices: `wire.py DEVICE DEVICE DELAY JITTER LOSS SEED`.

Frames are passed on with the kernel's notes on checksums and segments (PACKET_VNET_HDR), so that devices that leave this
work to "hardware" can be joined. Frames of one direction stay in order.
"""
import heapq
import random
import select
import socket
import sys
import time

ETH_P_ALL = 3
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23


def open_device(name):
    device = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    device.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    device.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    device.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    device.bind((name, ETH_P_ALL))
    device.setblocking(False)
    return device


def main():
    names, (delay, jitter, loss) = sys.argv[1:3], (float(text) for text in sys.argv[3:6])
    chance = random.Random(sys.argv[6])
    devices = [open_device(name) for name in names]
    waiting, number, latest = [], 0, [0.0, 0.0]
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select(devices, [], [], timeout)
        now = time.monotonic()
        for device in readable:
            way = devices.index(device)
            for _ in range(64):
                try:
                    frame = device.recv(1 << 17)
                except BlockingIOError:
                    break
                if chance.random() < loss:
                    continue
                latest[way] = max(latest[way], now + delay + chance.random() * jitter)
                number += 1
                heapq.heappush(waiting, (latest[way], number, way, frame))
        while waiting and waiting[0][0] <= now:
            _, _, way, frame = heapq.heappop(waiting)
            try:
                devices[1 - way].send(frame)
            except OSError:
                pass  # a wire loses what does not fit


if __name__ == "__main__":
    main()
