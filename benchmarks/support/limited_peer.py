#!/usr/bin/python3
"""Plain Python clients of a provider with limits; each key is used in turn. Runs until it is ended.

    limited_peer.py URL aimd|backoff REQUEST KEY...

aimd     adapts the number of calls in flight: one more for each round of successes, half after a 429
backoff  64 workers; after a 429 each waits as long as Retry-After says, else 1 s doubling to 60 s, with jitter
"""

import asyncio
import itertools
import json
import random
import sys

import aiohttp

WORKERS = 64


class Window:
    """How many calls may be in flight: additive increase, multiplicative decrease."""

    def __init__(self):
        self.limit = 20.0
        self.used = 0
        self.free = asyncio.Condition()

    async def enter(self):
        async with self.free:
            await self.free.wait_for(lambda: self.used < int(self.limit))
            self.used += 1

    async def leave(self, refused):
        async with self.free:
            self.used -= 1
            self.limit = max(1.0, self.limit / 2) if refused else min(400.0, self.limit + 1 / self.limit)
            self.free.notify_all()


async def ask(session, url, body, key):
    """@return status and the seconds that the provider asks to wait."""
    async with session.post(url, data=body, headers={"Content-Type": "application/json",
                                                     "Authorization": f"Bearer {key}"}) as response:
        await response.read()
        return response.status, float(response.headers.get("retry-after", 0) or 0)


async def adaptive(session, url, body, keys):
    window = Window()
    tasks = set()

    async def one(key):
        status, _ = await ask(session, url, body, key)
        await window.leave(status == 429)

    while True:
        await window.enter()
        task = asyncio.create_task(one(next(keys)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def backing_off(session, url, body, keys):
    async def worker():
        wait = 1.0
        while True:
            status, after = await ask(session, url, body, next(keys))
            if status == 429:
                await asyncio.sleep(max(after, random.random() * wait))
                wait = min(60.0, wait * 2)
            else:
                wait = 1.0

    await asyncio.gather(*(worker() for _ in range(WORKERS)))


async def main(url, mode, body, keys):
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=600)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=600)) as session:
        await (adaptive if mode == "aimd" else backing_off)(session, url, body, itertools.cycle(keys))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], json.dumps(json.loads(sys.argv[3])), sys.argv[4:]))
