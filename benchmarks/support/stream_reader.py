#!/usr/bin/python3
"""Reads many streamed answers at once and says how late their pieces came.

    stream_reader.py URL STREAMS DELTAS GAP_MS REQUEST TOKEN     TOKEN may be empty

Prints {"worst_ms", "p99_ms"}: by how much the time between two neighbouring pieces of a stream was longer than the
provider's own gap, over the first DELTAS pieces of every stream.
"""

import asyncio
import json
import resource
import sys
import time

import aiohttp


async def read(session, url, request, headers, deltas):
    times = []
    async with session.post(url, data=json.dumps(request), headers=headers) as response:
        if response.status != 200:
            sys.exit(f"{url} answered {response.status}: {(await response.text())[:500]}")
        async for line in response.content:
            if line.startswith(b"data: ") and b'"content":"' in line and b'"content":""' not in line:
                times.append(time.monotonic())
    if len(times) < deltas:
        sys.exit(f"a stream had {len(times)} pieces only")
    return times[:deltas]


async def main(url, streams, deltas, gap, request, token):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connector = aiohttp.TCPConnector(limit=streams)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=300),
                                     read_bufsize=1 << 16) as session:
        all_times = await asyncio.gather(*(read(session, url, request, headers, deltas) for _ in range(streams)))
    late = sorted((after - before) * 1000 - gap for times in all_times for before, after in zip(times, times[1:]))
    print(json.dumps({"worst_ms": late[-1], "p99_ms": late[int(len(late) * 0.99)]}))


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), json.loads(sys.argv[5]),
                     sys.argv[6]))
