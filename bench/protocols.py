"""Sections of the benchmark that compare protocols: HTTP/2 with HTTP/1.1 and its own floor, and TLS
with what is sent in the clear."""

from harness import Floor, Weir, closed_loop, http2_loop, in_turns, make_directory, median

from certificates import make_certificate  # beside the tests' own server, where the harness looks


def ratio(rounds, key, one, other):
    return median([each[one][key] / each[other][key] for each in rounds])


def of(rounds, key, name):
    return median([each[name][key] for each in rounds])


def http2(figures, scale):
    """Durable, unique, token checked, tasks paused, over HTTP/2 in the clear, 32 streams on each of 16
    connections: beside HTTP/1.1 to the same server, and a floor on nghttp2 that does nothing else."""
    with Weir(paused=True) as weir, Floor(weir.answer_bytes(), weir.token, "floor_h2") as floor:
        rounds = in_turns(scale.pairs, {"floor": lambda: http2_loop(floor, scale.seconds),
                                        "http2": lambda: http2_loop(weir, scale.seconds),
                                        "http1": lambda: closed_loop(weir, scale.seconds)})
    rates = {name: f"{of(rounds, 'rate', name):,.0f}/s" for name in rounds[0]}
    cpu = {name: f"{of(rounds, 'server_cpu_us', name):.2f} µs" for name in rounds[0]}
    generator = of(rounds, "cpu_us_per_request", "http2")
    figures.add("http2", "requests/s, ratio to HTTP/1.1", ratio(rounds, "rate", "http2", "http1"),
                at_least=1.6, note=f"{rates['http2']} to {rates['http1']}, {len(rounds)} rounds")
    figures.add("http2", "requests/s, ratio to the floor", ratio(rounds, "rate", "http2", "floor"),
                at_least=0.55, note=f"{rates['http2']} to {rates['floor']}")
    figures.add("http2", "server's CPU per request, ratio to HTTP/1.1",
                ratio(rounds, "server_cpu_us", "http2", "http1"),
                note=f"{cpu['http2']} to {cpu['http1']}; the floor's is {cpu['floor']}, and the "
                     f"generator takes {generator:.2f} µs")


class TlsWeir(Weir):
    """The server, over TLS, with a certificate for this run."""

    def __init__(self):
        certificate = make_certificate(make_directory(), "server")
        super().__init__(paused=True, sets=[f"Tls.CertFile={certificate}.crt",
                                            f"Tls.KeyFile={certificate}.key"])
        self.surge_arguments = ("--cacert", f"{certificate}.crt")

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"


def tls(figures, scale):
    """The same over TLS 1.3, beside a server in the clear: HTTP/2, and HTTP/1.1. Connections are made
    before the clock starts."""
    with Weir(paused=True) as clear, TlsWeir() as encrypted:
        rounds = in_turns(scale.pairs, {
            "http2 in the clear": lambda: http2_loop(clear, scale.seconds),
            "http2 over TLS": lambda: http2_loop(encrypted, scale.seconds),
            "http1 in the clear": lambda: closed_loop(clear, scale.seconds),
            "http1 over TLS": lambda: closed_loop(encrypted, scale.seconds)})
    for name, way, target in [("HTTP/2", "http2", 0.8), ("HTTP/1.1", "http1", None)]:
        ways = f"{way} over TLS", f"{way} in the clear"
        rates = [of(rounds, "rate", each) for each in ways]
        cpu = [of(rounds, "server_cpu_us", each) for each in ways]
        figures.add("tls", f"{name}: requests/s, ratio to cleartext", ratio(rounds, "rate", *ways),
                    at_least=target,
                    note=f"{rates[0]:,.0f}/s to {rates[1]:,.0f}/s, {len(rounds)} rounds")
        figures.add("tls", f"{name}: server's CPU per request, ratio to cleartext",
                    ratio(rounds, "server_cpu_us", *ways), note=f"{cpu[0]:.2f} to {cpu[1]:.2f} µs")
