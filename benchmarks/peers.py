"""What this machine can do without assay: nginx's fixed answer, asked by wrk and by a plain Python client."""

from support import peers, report


def measure(_, quick):
    rounds, seconds, calls = (1, 1, 2_000) if quick else (3, 3, 10_000)
    keys, rows = {}, []
    for in_flight in (64, 256):
        with peers.nginx() as provider:
            medians = report.alternate(rounds, {
                f"wrk, {in_flight}": lambda p=provider, n=in_flight: peers.wrk(p.base_url, n, seconds),
                f"aiohttp, {in_flight}": lambda p=provider, n=in_flight: peers.aiohttp(p.base_url, n, calls),
            })
        wrk, aiohttp = medians[f"wrk, {in_flight}"], medians[f"aiohttp, {in_flight}"]
        keys |= {f"wrk_{in_flight}": wrk, f"aiohttp_{in_flight}": aiohttp}
        rows.append((in_flight, wrk, aiohttp, wrk / aiohttp))
    return keys, ("in flight", "wrk/s", "aiohttp/s", "ratio"), rows, [f"medians of {rounds}"]
