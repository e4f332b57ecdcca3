#!/usr/bin/python3
"""A TCP relay that a test makes slow, cuts and mends. Prints its port, then obeys lines on standard input:
"delay MS" holds every byte back for so long in each direction, "down" ends all connections and refuses new ones
(nothing listens), "up" listens again, "mute" accepts and forwards nothing more. It ends with its input."""
import asyncio
import sys


class Relay:
    def __init__(self, target):
        self.target, self.delay, self.mute = target, 0.0, False
        self.server, self.port, self.writers = None, 0, set()

    async def pump(self, reader, writer):
        queue = asyncio.Queue(maxsize=1024)

        async def send():
            loop = asyncio.get_running_loop()
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if data is None:
                    break
                if not self.mute:
                    writer.write(data)
                    await writer.drain()
            writer.close()

        sender = asyncio.create_task(send())
        try:
            while True:
                data = await reader.read(65536)
                await queue.put((asyncio.get_running_loop().time() + self.delay, data or None))
                if not data:
                    break
            await sender
        except (ConnectionError, asyncio.CancelledError):
            sender.cancel()
            writer.close()

    async def accept(self, reader, writer):
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        pair = {writer, upstream_writer}
        self.writers |= pair
        await asyncio.gather(self.pump(reader, upstream_writer), self.pump(upstream_reader, writer),
                             return_exceptions=True)
        self.writers -= pair

    async def up(self):
        if not self.server:
            self.server = await asyncio.start_server(self.accept, "127.0.0.1", self.port)
            self.port = self.server.sockets[0].getsockname()[1]

    async def down(self):
        if self.server:
            self.server.close()
            self.server = None
        for writer in list(self.writers):
            writer.transport.abort()

    async def run(self):
        await self.up()
        print(self.port, flush=True)
        stdin = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
        while line := (await stdin.readline()).decode().split():
            if line[0] == "delay":
                self.delay = float(line[1]) / 1000
            elif line[0] == "mute":
                self.mute = True
            elif line[0] == "up":
                self.mute = False
                await self.up()
            elif line[0] == "down":
                await self.down()
            print("ok", flush=True)


host, port = sys.argv[1].rsplit(":", 1)
asyncio.run(Relay((host, int(port))).run())
