"""The base that a benchmark is compared with: the figures of an earlier run, in bench/base.json.

Ratios to a floor of the same run carry over from one machine to the next, and may differ by
RATIO_TOLERANCE; times and rates of their own do not, and are compared loosely. A figure that is
itself a small difference scatters around zero: it may differ by its own `within` besides."""

import json
import os

RATIO_TOLERANCE = 0.10
OTHER_TOLERANCE = 0.50


def key(row):
    return f"{row['section']}: {row['name']}"


def is_ratio(row):
    return "ratio" in row["name"] or "share" in row["name"]


def record(rows, path):
    """Replaces the figures of the sections that were run, and keeps the others."""
    base = read(path)
    sections = {row["section"] for row in rows}
    kept = {name: figure for name, figure in base.items() if name.split(":")[0] not in sections}
    for row in rows:
        kept[key(row)] = {
            "value": row["value"], "unit": row["unit"],
            "better": "more" if row["at_least"] is not None else
                      "less" if row["at_most"] is not None else "",
            "tolerance": RATIO_TOLERANCE if is_ratio(row) else OTHER_TOLERANCE,
            "within": row.get("within", 0)}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(dict(sorted(kept.items())), file, indent=1)
        file.write("\n")


def read(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def compare(rows, base):
    """(what got worse by more than its tolerance, what got better by more), as sentences."""
    worse, better = [], []
    for row in rows:
        before = base.get(key(row))
        if not before or not before["better"]:
            continue
        change = row["value"] - before["value"]
        within = before.get("within", 0)
        if abs(change) <= max(before["tolerance"] * abs(before["value"]), within):
            continue
        allowed = f"{within:g}" if within else f"{before['tolerance']:.0%}"
        share = f"{change / before['value']:+.0%}, " if before["value"] > 0 else ""
        sentence = (f"{key(row)}: {before['value']:.4g} to {row['value']:.4g} {row['unit']}".rstrip()
                    + f" ({share}tolerance {allowed})")
        (better if (change > 0) == (before["better"] == "more") else worse).append(sentence)
    return worse, better
