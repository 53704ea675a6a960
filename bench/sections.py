"""Each section measures one promise of the project's speed; bench/run says which to run."""

import time

import protocols
from harness import (Floor, Weir, closed_loop, closed_loops, fsync_floor, in_turns, load, median,
                     rss_bytes, seconds_until, surge)
from story import story

MIB = 1 << 20


class Scale:
    """How much of everything: the real thing, or enough to see that it works."""

    def __init__(self, quick, pairs):
        self.quick = quick
        self.pairs = pairs or (1 if quick else 5)
        self.seconds = 2 if quick else 5
        self.stored = 50_000 if quick else 2_000_000
        self.measured = 50_000 if quick else 400_000
        self.backlog = 50_000 if quick else 1_000_000
        self.journal = 200_000 if quick else 5_000_000
        self.soak_s = 20 if quick else 600


def report_pairs(figures, section, pairs, least_rate, most_cpu=None):
    ours = median([pair["ours"]["rate"] for pair in pairs])
    bare = median([pair["floor"]["rate"] for pair in pairs])
    ratio = median([pair["ours"]["rate"] / pair["floor"]["rate"] for pair in pairs])
    figures.add(section, "requests/s, ratio to the floor", ratio, at_least=least_rate,
                note=f"{ours:,.0f}/s to {bare:,.0f}/s, {len(pairs)} pairs")
    ours_cpu = median([pair["ours"]["server_cpu_us"] for pair in pairs])
    bare_cpu = median([pair["floor"]["server_cpu_us"] for pair in pairs])
    cpu = median([pair["ours"]["server_cpu_us"] / pair["floor"]["server_cpu_us"] for pair in pairs])
    generator = median([pair["ours"]["cpu_us_per_request"] for pair in pairs])
    figures.add(section, "server's CPU per request, ratio to the floor", cpu, at_most=most_cpu,
                note=f"{ours_cpu:.1f} µs to {bare_cpu:.1f} µs; the generator takes {generator:.1f} µs")
    return ours


def submit(figures, scale):
    """Durable, unique, token checked, tasks paused, over epoll."""
    with Weir(paused=True, transport="epoll") as weir, Floor(weir.answer_bytes(), weir.token) as floor:
        pairs = in_turns(scale.pairs, closed_loops({"floor": floor, "ours": weir}, scale.seconds))
        return report_pairs(figures, "submit", pairs, least_rate=0.75, most_cpu=1.6)


def uring(figures, scale):
    """The same over io_uring, and beside epoll in the same rounds."""
    with Weir(paused=True, transport="io_uring") as weir, \
            Weir(paused=True, transport="epoll") as epoll, \
            Floor(weir.answer_bytes(), weir.token) as floor:
        rounds = in_turns(
            scale.pairs,
            closed_loops({"floor": floor, "ours": weir, "epoll": epoll}, scale.seconds))
        report_pairs(figures, "uring", rounds, least_rate=0.85, most_cpu=1.35)
        for name, key in [("requests/s", "rate"), ("server's CPU per request", "server_cpu_us")]:
            ratio = median([one["ours"][key] / one["epoll"][key] for one in rounds])
            figures.add("uring", f"{name}, ratio to epoll", ratio,
                        note=f"epoll {median([one['epoll'][key] for one in rounds]):,.1f}")


def running(figures, scale):
    """The same while the tasks work: intake keeps priority, the rest is worked off afterwards."""
    with Weir() as weir, Floor(weir.answer_bytes(), weir.token) as floor:
        pairs = in_turns(scale.pairs, closed_loops({"floor": floor, "ours": weir}, scale.seconds))
        report_pairs(figures, "running", pairs, least_rate=0.55)
        left = weir.lag()
        took = seconds_until(lambda: weir.lag() == 0, 1800, "the tasks have caught up")
        figures.add("running", "worked off afterwards", took, "s", note=f"{left:,} were waiting")


def latency(figures, scale, rate=None):
    """Open loop at half of the maximum rate, from due to acknowledged."""
    with Weir(paused=True) as weir:
        rate = rate or closed_loop(weir, scale.seconds)["rate"]
        seconds = 5 if scale.quick else 20
        syncs = [fsync_floor(weir.data_dir, seconds / 2)]
        measured = surge(weir, "--rate", str(rate / 2), "--reports", str(int(rate / 2 * seconds)),
                         "--connections", "1024", "--resend", "0", "--no-alerts")["latency"]
        syncs.append(fsync_floor(weir.data_dir, seconds / 2))
        sync = max(one["p999_ms"] for one in syncs)
        figures.add("latency", "p50 from due to acknowledged", measured["p50_ms"], "ms",
                    note=f"at {rate / 2:,.0f}/s, open loop")
        figures.add("latency", "p99", measured["p99_ms"], "ms", at_most=5)
        figures.add("latency", "p99.9", measured["p999_ms"], "ms", at_most=max(20, 3 * sync),
                    note=f"a bare fdatasync loop: p99.9 {sync:.2f} ms")


def tasks(figures, scale):
    """What all six tasks apply in a second on one core, on a store that is not empty."""
    with Weir() as weir:
        load(weir, scale.stored)
        seconds_until(lambda: weir.lag() == 0, 3600, "what is stored is applied")
        weir.restart(paused=True)
        load(weir, scale.measured)
        weir.cores = {0}
        weir.restart(paused=False)
        waiting = weir.lag()
        took = seconds_until(lambda: weir.lag() == 0, 3600, "the tasks have caught up")
        figures.add("tasks", "reports/s applied by all six, one core", waiting / took, "/s",
                    at_least=12_000, note=f"{waiting:,} in {took:.1f} s, {scale.stored:,} stored")


def herd(figures, scale):
    """50,000 patients in one second, each report read back."""
    del scale
    with Weir() as weir:
        result = surge(weir, "--patients", "50000", "--over", "1s", "--verify", check=False)
        wrong = sum(sort["count"] for sort in result["findings"].values())
        figures.add("herd", "found wrong by --verify", wrong, at_most=0,
                    note=f"{result['acknowledged']:,} acknowledged in {result['seconds']:.2f} s, "
                         f"p99 {result['latency']['p99_ms']:.0f} ms")
        figures.add("herd", "applied after the last acknowledgement",
                    result["verified"].get("applied_s", float("inf")), "s", at_most=5)


def alerts(figures, scale):
    """Urgent alerts on the stream: under load, and behind a backlog. And the memory of a backlog."""
    with Weir() as weir:
        seconds = 5 if scale.quick else 30
        result = surge(weir, "--rate", "10000", "--reports", str(10_000 * seconds))
        urgent = result["alerts"]["urgent"]
        figures.add("alerts", "urgent, p99 from acknowledgement to event", urgent["p99_ms"], "ms",
                    at_most=250, note=f"{urgent['count']:,} alerts at 10,000 reports/s")
    with Weir(paused=True) as weir:
        load(weir, scale.backlog, urgent_share=0)
        figures.add("alerts", "RSS with a backlog waiting", rss_bytes(weir.pid) / MIB, "MiB",
                    at_most=256, note=f"{weir.lag():,} reports")
        weir.restart(paused=False)
        result = surge(weir, "--rate", "200", "--reports", "600", "--urgent-share", "1",
                       "--elevated-share", "0")
        figures.add("alerts", "urgent behind a backlog, p99", result["alerts"]["urgent"]["p99_ms"],
                    "ms", at_most=1000,
                    note=f"{weir.lag():,} reports still waited when the last alert had come")


def growth(figures, scale):
    """What each report leaves in memory."""
    with Weir() as weir:
        warm_up_s = max(5, scale.soak_s // 10)
        surge(weir, "--rate", "10000", "--reports", str(10_000 * warm_up_s))
        seconds_until(lambda: weir.lag() == 0, 600, "the tasks have caught up")
        before = rss_bytes(weir.pid)
        reports = 10_000 * scale.soak_s
        surge(weir, "--rate", "10000", "--reports", str(reports))
        seconds_until(lambda: weir.lag() == 0, 1800, "the tasks have caught up")
        after = rss_bytes(weir.pid)
        figures.add("growth", "RSS growth per report", (after - before) / reports, "bytes",
                    at_most=2, note=f"{before / MIB:.0f} to {after / MIB:.0f} MiB in "
                                    f"{scale.soak_s} s at 10,000/s")


def start(figures, scale):
    """Ready with a long journal, and exact from the first request."""
    def probe(name):
        return {"report_id": name, "patient_id": "p", "data": "free text"}

    with Weir(paused=True) as weir:
        receipts = {}
        for number, name in enumerate(["first", "middle", "last"]):
            answer = weir.submit(probe(name))
            assert answer.status == 202, answer.body
            receipts[name] = answer.json()["receipt"]
            if number < 2:
                load(weir, scale.journal // 2)
        for how, stop in [("an orderly stop", weir.terminate), ("a kill", weir.kill)]:
            stop()
            begin = time.monotonic()
            weir.start(seconds=120)
            took = time.monotonic() - begin
            wrong = 0
            for name, receipt in receipts.items():
                answer = weir.submit(probe(name))
                wrong += answer.status != 200 or answer.json()["receipt"] != receipt
            figures.add("start", f"ready after {how}", took, "s", at_most=5,
                        note=f"{scale.journal:,} reports in the journal")
            figures.add("start", f"repeats not known after {how}", wrong, at_most=0)


def guard(figures, scale):
    """What all of the guard costs a request: on, with a limit of each kind that nobody reaches, and
    off. And what a refusal costs beside an answer, which says what shedding can be good for."""
    far = [f"RateLimits.{kind}.PerSecond=1000000" for kind in ("Address", "Token", "Study", "Route")]
    with Weir(paused=True) as on, \
            Weir(paused=True, sets=["Rest.Middlewares.Shedder=false"]) as off, \
            Weir(paused=True, sets=far) as limits, \
            Weir(paused=True, sets=["Shedder.MaxQueueing=1"]) as refusing:
        servers = {"on": on, "off": off, "limits": limits}
        rounds = in_turns(3 if scale.quick else 15, closed_loops(servers, 2))

        def cpu(one, name):
            return one[name]["server_cpu_us"]
        cost = median([cpu(one, "on") - cpu(one, "off") for one in rounds])
        figures.add("guard", "CPU of the shedder per request", cost, "µs", at_most=0.4, within=0.3,
                    note=f"{median([cpu(one, 'on') for one in rounds]):.2f} to "
                         f"{median([cpu(one, 'off') for one in rounds]):.2f} µs, "
                         f"{len(rounds)} interleaved pairs")
        figures.add("guard", "CPU of four rate limits per request",
                    median([cpu(one, "limits") - cpu(one, "on") for one in rounds]), "µs")
        refused = surge(refusing, "--closed-loop", "--seconds", "4s", "--connections", "512",
                        "--resend", "0", "--no-alerts", "--retry-for", "0s", check=False)
        figures.add("guard", "CPU of a refusal, ratio to an answer's",
                    refused["server_cpu_us"] / median([cpu(one, "on") for one in rounds]),
                    note=f"{refused['server_cpu_us']:.2f} µs")


def overloaded(figures, name, weir, capacity, times, least_goodput, scale):
    """Offered `times` of what it can take, by clients that do not come again."""
    seconds = 8 if scale.quick else 60

    def offer(share, for_s):
        rate = capacity * share
        return surge(weir, "--rate", str(rate), "--reports", str(int(rate * for_s)),
                     "--connections", "4096", "--resend", "0", "--no-alerts", "--retry-for", "0s",
                     check=False)
    normal = offer(0.8, 5 if scale.quick else 15)["latency"]["p99_ms"]
    before = rss_bytes(weir.pid)
    urgent_before = weir.shed("urgent")
    result = offer(times, seconds)
    grown = rss_bytes(weir.pid) - before
    goodput = result["acknowledged"] / result["seconds"]
    urgent_sent = result["acknowledged"] * 0.01 + weir.shed("urgent") - urgent_before
    figures.add("overload", f"{name}: goodput, share of capacity", goodput / capacity,
                at_least=least_goodput,
                note=f"{goodput:,.0f}/s of {capacity:,.0f}/s, offered {times} × for {seconds} s")
    figures.add("overload", f"{name}: p99 of the accepted, to that at 80 %",
                result["latency"]["p99_ms"] / normal, at_most=3,
                note=f"{result['latency']['p99_ms']:.1f} to {normal:.1f} ms")
    figures.add("overload", f"{name}: RSS growth", grown / before * 100, "%", at_most=10,
                note=f"from {before / MIB:.0f} MiB, "
                     f"{grown / max(1, result['acknowledged']):.1f} bytes for each report taken")
    figures.add("overload", f"{name}: urgent reports shed",
                (weir.shed("urgent") - urgent_before) / max(1, urgent_sent) * 100, "%", at_most=0.1)
    time.sleep(2)
    after = offer(0.8, 5)["latency"]["p99_ms"]
    figures.add("overload", f"{name}: p99 from 2 s after, to that of before", after / normal,
                at_most=1.5, note=f"{after:.1f} ms")


def overload(figures, scale):
    """More than the disk can take, and more than the processors can."""
    with Weir(paused=True, sync_ms=20, sets=["Journal.BatchRecordsMax=256"]) as weir:
        overloaded(figures, "disk", weir, 256 / 0.020, 4, 0.9, scale)
    with Weir(paused=True) as weir:
        capacity = closed_loop(weir, scale.seconds)["rate"]
        overloaded(figures, "processors", weir, capacity, 1.3, 0.6, scale)


SECTIONS = {"submit": submit, "uring": uring, "running": running, "latency": latency,
            "tasks": tasks, "herd": herd, "alerts": alerts, "growth": growth, "start": start,
            "http2": protocols.http2, "tls": protocols.tls,
            "guard": guard, "overload": overload, "story": story}
