"""Profiles of a server under load, from its administration port."""

import os
import threading

import flame


def ask(weir, method, path, body=None, timeout=120):
    answer = weir.request(method, path, body=body, port=weir.admin_port, timeout=timeout)
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}: {answer.body[:200]}")
    return answer.body


def symbols(weir, stacks):
    """Names by address. A caller is named by the instruction before the one it returns to."""
    wanted = sorted({address for _, stack in stacks for address in stack})
    names = {}
    for at in range(0, len(wanted), 500):
        part = wanted[at:at + 500]
        body = "+".join(hex(address) for address in part)
        for line in ask(weir, "POST", "/debug/pprof/symbol", body).decode().splitlines():
            address, _, name = line.replace("\t", " ", 1).partition(" ")
            if address.startswith("0x"):
                names[int(address, 16)] = name.strip()
    # What has no name of its own, of a library without symbols, has that of the library.
    with open(f"/proc/{weir.pid}/maps", encoding="utf-8") as file:
        maps = [line.split() for line in file]
    for address in wanted:
        for fields in maps:
            low, high = (int(bound, 16) for bound in fields[0].split("-"))
            if address not in names and low <= address < high and len(fields) > 5:
                names[address] = f"[{os.path.basename(fields[5])}]"
    return names


def cpu(weir, seconds):
    return flame.read_cpu(ask(weir, "GET", f"/debug/pprof/profile?seconds={seconds}",
                              timeout=seconds + 60))


def allocations(weir, seconds):
    """By bytes, and by how many they were."""
    return flame.read_allocations(ask(weir, "GET", f"/debug/pprof/allocs?seconds={seconds}",
                                      timeout=seconds + 60).decode())


def live(weir, _):
    stacks = flame.read_heap(ask(weir, "GET", "/debug/pprof/heap").decode())
    return flame.without_allocator(stacks, symbols(weir, stacks))


def under_load(weir, seconds, load, looks):
    """What `load(…)` returned, which ran meanwhile, and what each of `looks` saw, one after the
    other, for so many seconds each."""
    result = {}
    running = threading.Thread(target=lambda: result.update(load(seconds * len(looks) + 3)))
    running.start()
    seen = [look(weir, seconds) for look in looks]
    running.join()
    if not all(seen) or not result:
        raise RuntimeError("a profile holds no sample")
    return result, seen


def draw(weir, stacks, title, unit, path, count):
    """Draws them as a flame graph; the `count` heaviest functions: [(share, name)]."""
    root = flame.fold(stacks, symbols(weir, stacks))
    with open(path, "w", encoding="utf-8") as file:
        file.write(flame.draw(root, title, unit))
    return [(share, flame.shorten(name)) for share, name in flame.heaviest(root, count)]
