#!/usr/bin/python3
"""Many WebSocket subscribers in one process.

    ws_subscribers.py READING STALLED

Standard input: {"url": ...}, answered by {"connected": N} when all are; then {"evaluation_id": ...}, answered when
every reading subscriber has heard of the end, or after 300 s, by what they heard.

A delay runs from the event's own timestamp, or from the sending of the subscription when the event is older than that,
until this process looks at the message. It includes the time that the message waits for this process.
"""

import asyncio
import datetime
import json
import resource
import sys
import time

import aiohttp

LAST = ("evaluation_completed", "evaluation_failed", "evaluation_cancelled")


def sent_at(event):
    return datetime.datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).timestamp()


async def read_line():
    return json.loads(await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline))


def say(message):
    print(json.dumps(message), flush=True)


async def main(reading, stalled):
    url = (await read_line())["url"]
    delays, kinds = [], {}
    completed = 0

    async def listen(socket, order):
        nonlocal completed
        subscribed = time.time()
        await socket.send_str(order)
        async for message in socket:
            now = time.time()
            if message.type != aiohttp.WSMsgType.TEXT:
                break
            event = json.loads(message.data)
            kind = event.get("type", "")
            kinds[kind] = kinds.get(kind, 0) + 1
            if kind.startswith("evaluation_"):
                delays.append(now - max(sent_at(event), subscribed))
            if kind in LAST:
                completed += kind == LAST[0]
                break

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        sockets = []
        for _ in range(0, reading + stalled, 50):
            count = min(50, reading + stalled - len(sockets))
            sockets += await asyncio.gather(*(session.ws_connect(url, max_msg_size=0) for _ in range(count)))
        say({"connected": len(sockets)})
        order = json.dumps({"type": "subscribe_evaluation", "evaluation_id": (await read_line())["evaluation_id"]})
        before = time.process_time()
        for socket in sockets[reading:]:
            await socket.send_str(order)
        # The stalled ones come last. Nobody reads from them: aiohttp stops taking their bytes once its buffer is full.
        done, pending = await asyncio.wait([asyncio.create_task(listen(socket, order)) for socket in sockets[:reading]],
                                           timeout=300)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()
        delays.sort()

        def percentile(p):
            return delays[min(len(delays) - 1, int(len(delays) * p))] * 1000 if delays else None
        say({"completed": completed, "events": kinds, "p50_ms": percentile(0.5), "p99_ms": percentile(0.99),
             "max_ms": percentile(1), "cpu_s": time.process_time() - before})


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
