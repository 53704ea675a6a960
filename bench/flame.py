"""Profiles as flame graphs: the formats that the administration port answers with, folded into a tree
and drawn as SVG that any browser opens. A rectangle's width is its share; hovering names it."""

import math
import re
import struct
from xml.sax.saxutils import escape, quoteattr

WORD = struct.calcsize("P")
ALLOCATOR = re.compile(r"tcmalloc::|\[libtcmalloc|MallocHook")


def read_cpu(data):
    """[(weight, [address, …] from the leaf outwards)] of a CPU profile of gperftools."""
    words = struct.unpack(f"={len(data) // WORD}Q", data[:len(data) // WORD * WORD])
    header_words = words[1]
    at = 2 + header_words
    stacks = []
    while at + 2 <= len(words):
        count, depth = words[at], words[at + 1]
        stack = list(words[at + 2:at + 2 + depth])
        at += 2 + depth
        if count == 0 and depth == 1 and stack == [0]:  # the end; a map of the process follows
            break
        stacks.append((count, stack))
    return stacks


def read_heap(text):
    """The same of a heap profile: bytes that are live."""
    # One in so many bytes was sampled: what a sample stands for follows from its size.
    period = int(re.search(r"@ heap_v2/(\d+)", text).group(1))
    stacks = []
    for count, size, _, _, stack in heap_lines(text):
        if count:
            stacks.append((round(size / -math.expm1(-size / count / period)), stack))
    return stacks


def read_allocations(text):
    """The same of a profile of allocations, twice: by bytes, and by how many they were."""
    lines = heap_lines(text)
    return ([(size, stack) for _, _, _, size, stack in lines],
            [(count, stack) for _, _, count, _, stack in lines])


def heap_lines(text):
    """[(live, live bytes, allocated, allocated bytes, stack)]."""
    return [(*(int(number) for number in found[:4]), [int(word, 16) for word in found[4].split()])
            for found in re.findall(r"^\s*(\d+):\s*(\d+) \[\s*(\d+):\s*(\d+)\] @((?: 0x[0-9a-f]+)+)$",
                                    text, re.M)]


def shorten(name):
    """Without what hides a function's name: arguments, templates' insides, spaces."""
    name = re.sub(r"\(anonymous namespace\)::|\bweir::", "", name)
    while True:
        less = re.sub(r"<[^<>]*>", "", name)
        if less == name:
            break
        name = less
    return re.sub(r"\(.*$", "", name).strip() or name


def without_allocator(stacks, names):
    """They begin with who allocated."""
    out = []
    for weight, stack in stacks:
        at = next((at for at, address in enumerate(stack) if not ALLOCATOR.match(names.get(address, ""))), 0)
        out.append((weight, stack[at:]))
    return out


class Node:
    def __init__(self):
        self.weight = 0
        self.own = 0
        self.children = {}


def fold(stacks, names):
    """One tree of all stacks, from the outermost function inwards."""
    root = Node()
    for weight, stack in stacks:
        root.weight += weight
        node = root
        for address in reversed(stack):
            node = node.children.setdefault(names.get(address, f"0x{address:x}"), Node())
            node.weight += weight
        node.own += weight
    return root


def heaviest(root, count):
    """[(share of all, name)] of what the leaves are, the most first."""
    own = {}

    def visit(node):
        for name, child in node.children.items():
            own[name] = own.get(name, 0) + child.own
            visit(child)
    visit(root)
    most = sorted(own.items(), key=lambda item: -item[1])[:count]
    return [(weight / max(1, root.weight), name) for name, weight in most]


def draw(root, title, unit):
    width, row, margin, least = 1400, 18, 10, 0.4
    rectangles = []
    deepest = 0

    def place(node, left, depth):
        nonlocal deepest
        for name, child in sorted(node.children.items()):
            size = child.weight / max(1, root.weight) * (width - 2 * margin)
            if size >= least:
                deepest = max(deepest, depth)
                rectangles.append((left, depth, size, name, child.weight))
                place(child, left, depth + 1)
            left += size

    place(root, margin, 0)
    height = (deepest + 1) * row + 60
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
           f'height="{height}" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="#fffdf7"/>',
           f'<text x="{width / 2}" y="24" text-anchor="middle" font-size="16">{escape(title)}</text>']
    for left, depth, size, name, weight in rectangles:
        top = height - 20 - (depth + 1) * row
        share = weight / max(1, root.weight)
        # Warm, and the same for the same name.
        shade = sum(name.encode()) % 60
        colour = f"rgb({215 + shade % 40},{90 + (shade * 7) % 110},{40 + shade % 40})"
        label = f"{name} ({weight:,} {unit}, {share:.1%})"
        text = ""
        if size > 30:
            short = shorten(name)
            fits = int(size / 6.6)
            short = short if len(short) <= fits else short[:max(0, fits - 2)] + "…"
            text = f'<text x="{left + 3:.1f}" y="{top + 13}">{escape(short)}</text>'
        out.append(f'<g><title>{escape(label)}</title><rect x="{left:.2f}" y="{top}" '
                   f'width="{max(size - 0.3, 0.2):.2f}" height="{row - 1}" rx="1" fill={quoteattr(colour)}/>'
                   f'{text}</g>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
