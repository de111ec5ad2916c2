"""Reads the tracker's event log until all is over, then draws the table and judges it.

    labkit-tracker serve ... | report.py METRICS_URL

The figures come from the tracker's metrics; only the percentiles come from the
log, as counters cannot tell them. Exit 0 if every figure is the expected one.
"""

import json
import math
import re
import sys
import urllib.request

EXPECTED = {
    "create_merge_request": {
        "started": 13, "success": 10, "handled": 1, "error": 1, "timeout": 0, "discarded": 1,
        "apdex": 1.0,
    },
    "demo_lost_end": {
        "started": 1, "success": 0, "handled": 0, "error": 0, "timeout": 1, "discarded": 0,
        "apdex": None,
    },
}  # fmt: skip
OUTCOMES = ("success", "handled", "error", "timeout", "discarded")


def durations_until_over(lines):
    """The elapsed times of good ends by experience, once every experience has ended."""
    missing = sum(figures["started"] for figures in EXPECTED.values())
    durations = {}
    for line in lines:
        event = json.loads(line)
        if event["event"] not in ("success", "failure", "discarded"):
            continue
        if event.get("success") is not None:
            durations.setdefault(event["user_experience_id"], []).append(event["elapsed_time_s"])
        missing -= 1
        print(f"  {event['user_experience_id']}: {event['outcome']}"
              f"{' (' + event['reason'] + ')' if 'reason' in event else ''}")  # fmt: skip
        if missing == 0:
            return durations
    sys.exit("the event log ended before every experience did")


def samples(url):
    """Every sample of an exposition: (name, labels, value)."""
    with urllib.request.urlopen(url, timeout=5) as response:
        text = response.read().decode()
    for name, labels, value in re.findall(r"^(\w+)\{(.*)\} (\S+)$", text, re.MULTILINE):
        yield name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)


def figures(url):
    """What the tracker has counted, by experience."""
    found = {id: dict.fromkeys(("started", *OUTCOMES), 0) | {"good": 0, "ends": 0} for id in EXPECTED}
    for name, labels, value in samples(url):
        row = found.get(labels.get("user_experience_id"))
        if row is None:
            continue
        if name == "gitlab_user_experience_checkpoint_total" and labels["checkpoint"] == "start":
            row["started"] += int(value)
        elif name == "labkit_user_experience_outcome_total":
            row[labels["outcome"]] += int(value)
        elif name == "gitlab_user_experience_apdex_total":
            row["ends"] += int(value)
            row["good"] += int(value) if labels["success"] == "true" else 0
    for row in found.values():
        good, ends = row.pop("good"), row.pop("ends")
        row["apdex"] = good / ends if ends else None
    return found


def percentile(values, share):
    """The nearest rank; a dash where there is nothing."""
    if not values:
        return "-"
    return f"{sorted(values)[math.ceil(share * len(values)) - 1] * 1000:.0f} ms"


def main():
    """Draw and judge."""
    durations = durations_until_over(sys.stdin)
    found = figures(sys.argv[1])
    head = ("experience", "started", *OUTCOMES, "Apdex", "p50", "p95")
    print("\n{:22}{:>8}{:>9}{:>9}{:>7}{:>9}{:>11}{:>7}{:>9}{:>9}".format(*head))
    for id, row in found.items():
        apdex = "-" if row["apdex"] is None else f"{row['apdex']:.2f}"
        times = (percentile(durations.get(id, []), share) for share in (0.5, 0.95))
        cells = (id, row["started"], *(row[outcome] for outcome in OUTCOMES), apdex, *times)
        print("{:22}{:>8}{:>9}{:>9}{:>7}{:>9}{:>11}{:>7}{:>9}{:>9}".format(*cells))
    wrong = [id for id in EXPECTED if found[id] != EXPECTED[id]]
    for id in wrong:
        print(f"\n{id}: expected {EXPECTED[id]}")
    print("\nnot what was expected" if wrong else "\nevery figure is the expected one")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
