"""How much of what a provider allows is used: three keys, 600 requests and 60,000 tokens a minute each.

The provider counts. The first minute is not measured: every bucket starts full, and clients find the limits out.
Two plain Python clients stand beside: one only adapts its number of calls in flight (AIMD), one only backs off.
"""

from support import assay, peers, processes, report

KEYS = ("bench-key-1", "bench-key-2", "bench-key-3")
REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE = 600, 60_000
LATENCY_MS = 500


def measure(folder, quick):
    warm_up_s, window_s = (10, 20) if quick else (60, 180)
    workspace = assay.Workspace(folder, 20_000)
    assay.build()

    def by(name, command, **arguments):
        home = workspace.fresh("client")
        flags = ["--rpm", str(REQUESTS_PER_MINUTE), "--tpm", str(TOKENS_PER_MINUTE)]
        for key in KEYS:
            flags += ["--api-key", key]
        with assay.mock(home, LATENCY_MS, flags) as provider:
            log = home / "client.log"
            with processes.started(command(provider, home), log, hard=True, **arguments) as client:
                processes.live_through(warm_up_s, client, name, log)
                before = provider.statuses()
                processes.live_through(window_s, client, name, log)
                after = provider.statuses()
        done = after.get("200", 0) - before.get("200", 0)
        refused = after.get("429", 0) - before.get("429", 0)
        total = sum(after.values()) - sum(before.values())
        allowed = len(KEYS) * REQUESTS_PER_MINUTE * window_s / 60
        report.note(f"  {name}: {done:,} answered of {allowed:,.0f} allowed, {refused:,} refused")
        return done / allowed, refused / max(total, 1)

    def assay_command(provider, home):
        limits = {"requests_per_minute": REQUESTS_PER_MINUTE, "tokens_per_minute": TOKENS_PER_MINUTE}
        return assay.run_command(workspace.config(
            provider.base_url, 400, home, in_flight_rule="adaptive",
            provider={"keys": [{"name": key, "api_key": key, "rate_limits": limits} for key in KEYS]}))

    def python(mode):
        return lambda provider, _: peers.limited_command(provider.base_url, mode, KEYS)

    found = {
        "assay": by("assay", assay_command, env=assay.environment()),
        "only AIMD": by("only AIMD", python("aimd")),
        "only backoff": by("only backoff", python("backoff")),
    }
    keys = {"utilisation": found["assay"][0], "rate_429": found["assay"][1],
            "aimd_utilisation": found["only AIMD"][0], "aimd_rate_429": found["only AIMD"][1],
            "backoff_utilisation": found["only backoff"][0], "backoff_rate_429": found["only backoff"][1]}
    rows = [(name, used, refused) for name, (used, refused) in found.items()]
    remarks = [f"{window_s} s after the first {warm_up_s} s; a call has about 85 tokens, so that requests are the limit"]
    return keys, ("who", "of the allowed", "answered 429"), rows, remarks
