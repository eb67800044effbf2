#!/usr/bin/python3
"""A plain Python client: aiohttp, a semaphore, json both ways.

    aiohttp_peer.py URL IN_FLIGHT CALLS REQUEST     CALLS 0: until it is ended
"""

import asyncio
import json
import resource
import sys
import time

import aiohttp


async def main(url, in_flight, calls, request):
    permits = asyncio.Semaphore(in_flight)
    right = 0

    async def ask(session, number):
        nonlocal right
        try:
            body = dict(request, user=f"sample-{number}")
            async with session.post(url, data=json.dumps(body),
                                    headers={"Content-Type": "application/json"}) as response:
                answer = json.loads(await response.text())
            right += answer["usage"]["total_tokens"] > 0 and answer["choices"][0]["message"]["content"] != ""
        finally:
            permits.release()

    connector = aiohttp.TCPConnector(limit=in_flight, keepalive_timeout=600)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=600)) as session:
        start = time.monotonic()
        tasks = set()
        number = 0
        while calls == 0 or number < calls:
            await permits.acquire()
            number += 1
            task = asyncio.create_task(ask(session, number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        seconds = time.monotonic() - start
    if right != calls:
        sys.exit(f"{calls - right} calls have failed")
    print(json.dumps({"calls_per_s": calls / seconds}))


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])))
