"""The section of the benchmark that goes the way again: from a sync for each report to what is done
now, by switches that still exist."""

import os

import profiling
from harness import ROOT, Weir, closed_loop, http2_loop

ONE_LOOP = "Http.Loops=1"
# It would refuse most of what 512 clients in a circle offer to the first steps.
NO_SHEDDER = "Rest.Middlewares.Shedder=false"
# What is new in each step; the switches; the transport; the load.
STEPS = [
    ("a sync for each report", ["Journal.BatchRecordsMax=1", ONE_LOOP], "epoll", closed_loop),
    ("eight reports share a sync", ["Journal.BatchRecordsMax=8", ONE_LOOP], "epoll", closed_loop),
    ("all that wait share a sync", [ONE_LOOP], "epoll", closed_loop),
    ("a loop for each core", [], "epoll", closed_loop),
    ("io_uring", [], "io_uring", closed_loop),
    ("HTTP/2, 32 requests at once", [], "io_uring", http2_loop),
]


def story(figures, scale):
    """The way from a sync for each report to what is done now; each step's profile is drawn in
    build/story."""
    directory = os.path.join(ROOT, "build", "story")
    os.makedirs(directory, exist_ok=True)
    first = None
    for number, (name, sets, transport, loop) in enumerate(STEPS, 1):
        with Weir(paused=True, transport=transport, sets=[*sets, NO_SHEDDER]) as weir:
            result = loop(weir, scale.seconds)  # undisturbed by a profile
            _, [cpu] = profiling.under_load(weir, scale.seconds, lambda s: loop(weir, s),
                                            [profiling.cpu])
            heaviest = profiling.draw(weir, cpu, f"{number}: {name}", "samples",
                                      os.path.join(directory, f"{number}.svg"), 3)
        first = first or result["rate"]
        most = ", ".join(f"{function} {share:.0%}" for share, function in heaviest)
        figures.add("story", name, result["rate"], "/s",
                    note=f"{result['rate'] / first:.0f} × the first, {result['server_cpu_us']:.1f} µs of "
                         f"CPU each, p50 {result['latency']['p50_ms']:.1f} ms; {most}")
