"""How many samples a second: each one asked, answered, committed to the disk and scored.

wrk is the limit: it does nothing but send and count. The Python client is what people write themselves: it sends and
reads JSON, keeps nothing and scores nothing. assay's time is the life of the whole process, from its start to its
printed result.
"""

from support import assay, peers, processes, report


def measure(folder, quick):
    rounds, seconds, calls, samples = (1, 1, 2_000, 5_000) if quick else (3, 3, 10_000, 100_000)
    workspace = assay.Workspace(folder, samples)
    assay.build()
    keys, rows = {}, []

    def evaluation(provider, in_flight, durability):
        before = provider.calls()
        rate, result = assay.evaluate(workspace, provider.base_url, in_flight, durability)
        asked = provider.calls() - before
        if asked != samples:
            raise processes.Failure(f"{samples} samples took {asked} calls")
        scores = list(assay.numbers_named(result, "overall_score"))
        if scores != [1] * len(scores) or not scores:
            raise processes.Failure(f"every answer was right, but overall_score is {scores}")
        return rate

    for in_flight in (64, 256):
        with peers.nginx() as provider:
            medians = report.alternate(rounds, {
                "wrk": lambda p=provider, n=in_flight: peers.wrk(p.base_url, n, seconds),
                "aiohttp": lambda p=provider, n=in_flight: peers.aiohttp(p.base_url, n, calls),
                "assay": lambda p=provider, n=in_flight: evaluation(p, n, "commit"),
                "assay, not durable": lambda p=provider, n=in_flight: evaluation(p, n, "none"),
            })
        ours = medians["assay"]
        keys |= {f"samples_per_s_{in_flight}": ours, f"vs_aiohttp_{in_flight}": ours / medians["aiohttp"],
                 f"vs_wrk_{in_flight}": ours / medians["wrk"]}
        if in_flight == 64:
            keys["durable_ratio"] = ours / medians["assay, not durable"]
        rows += [(f"{name}, {in_flight} in flight", rate, rate / medians["wrk"], rate / medians["aiohttp"])
                 for name, rate in medians.items()]
    remarks = [f"{samples:,} samples, medians of {rounds}; durable / not durable at 64: {keys['durable_ratio']:.3f}"]
    return keys, ("who", "per second", "of wrk", "of aiohttp"), rows, remarks
