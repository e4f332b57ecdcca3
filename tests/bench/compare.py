#!/usr/bin/env python3
"""aivo-server beside socket.io and beside the bare libwebsockets echo: medians of one interleaved run, and the aims.

  compare.py results.jsonl
"""
import json
import statistics
import sys

SUT, NODE, BARE = "aivo-server", "node-socketio", "lws-echo"

# suite, case, what is compared, its text, more is better?, aim x socket.io, aim x bare echo, absolute aim
ROWS = [
    ("ack", "conns=100 k=1", "msgs_per_cpu_s", "acks per CPU-second, 100 connections, 1 in flight", True, 5, 0.65, None),
    ("ack", "conns=100 k=8", "msgs_per_cpu_s", "the same, 8 in flight", True, 12, 0.5, None),
    ("ack", "conns=100 k=32", "msgs_per_cpu_s", "the same, 32 in flight", True, 20, 0.4, None),
    ("ack", "conns=1000 k=1", "msgs_per_cpu_s", "the same, 1,000 connections, 1 in flight", True, 4.5, 0.75, None),
    ("latency", "rate=20000", "lat_p50_us", "p50 at 20,000 acks/s, 200 connections, us", False, 0.25, None, None),
    ("latency", "rate=20000", "lat_p99_us", "p99 of the same, us", False, 0.5, None, None),
    ("idle", "conns=1000", "rss_per_conn_kb", "memory per idle connection, 1,000, KB", False, None, None, 8),
    ("idle", "conns=9000", "rss_per_conn_kb", "the same, 9,000, KB", False, None, None, 8),
    ("storm", "conc=64", "cpu_us_per_handshakes", "CPU per handshake, token checked, us", False, 1 / 6, 2, None),
    ("storm", "conc=64", "handshakes_per_s", "handshakes/s", True, None, None, None),
    ("fanout", "listeners=1000 w=1", "deliveries_per_s", "fan-out to 1,000, deliveries/s, 1 in flight", True, 1.8, None, None),
    ("fanout", "listeners=1000 w=4", "deliveries_per_s", "the same, 4 in flight", True, 5, None, None),
    ("fanout", "listeners=1000 w=32", "deliveries_per_s", "the same, 32 in flight", True, 20, None, None),
]


def number(v):
    if v is None:
        return "-"
    return f"{v:,.0f}" if abs(v) >= 100 else f"{v:.3g}"


def ratio(value, base, aim, more):
    """'3.2 x (aim >= 5)' and whether it is met."""
    if value is None or not base:
        return "-", None
    r = value / base
    if aim is None:
        return f"{r:.3g} x", None
    return f"{r:.3g} x ({'≥' if more else '≤'} {aim:.3g})", (r >= aim) if more else (r <= aim)


def growth(rows):
    """CPU per message at 9,000 connections over that at 100."""
    cells = {}
    for name in (SUT, NODE, BARE):
        many = rows.get(("growth", "conns=9000 rate=10000", name))
        few = rows.get(("growth", "conns=100 rate=10000", name))
        if many and few:
            cells[name] = (statistics.median(r["cpu_us_per_msgs"] for r in many) /
                           statistics.median(r["cpu_us_per_msgs"] for r in few))
    if SUT in cells:
        met = cells[SUT] <= 1.25
        print("| CPU per message at 10,000/s, 9,000 connections over 100 | %s | %s | %s | ≤ 1.25 | | %s |" % (
            *(number(cells.get(n)) for n in (SUT, NODE, BARE)), "yes" if met else "NO"))


def main():
    rows, bad = {}, 0
    with open(sys.argv[1] if len(sys.argv) > 1 else "results.jsonl") as f:
        for line in f:
            r = json.loads(line)
            rows.setdefault((r["suite"], r["case"], r["server"]), []).append(r)
            bad += 1 if r.get("rc") else 0
    print("| work | aivo-server | socket.io on ws | bare libwebsockets | to socket.io (aim) | to bare (aim) | met |")
    print("|---|---|---|---|---|---|---|")
    for suite, case, key, text, more, aim_node, aim_bare, aim in ROWS:
        value = {}
        for name in (SUT, NODE, BARE):
            seen = [r[key] for r in rows.get((suite, case, name), []) if r.get(key) is not None]
            value[name] = statistics.median(seen) if seen else None
        if value[SUT] is None:
            continue
        to_node, met_node = ratio(value[SUT], value[NODE], aim_node, more)
        to_bare, met_bare = ratio(value[SUT], value[BARE], aim_bare, more)
        verdicts = [v for v in (met_node, met_bare) if v is not None]
        if aim is not None:
            verdicts.append(value[SUT] <= aim)
            text += f" (≤ {aim})"
        met = "" if not verdicts else "yes" if all(verdicts) else "NO"
        print(f"| {text} | {number(value[SUT])} | {number(value[NODE])} | {number(value[BARE])} | {to_node} | {to_bare} | {met} |")
    growth(rows)
    if bad:
        print(f"\n{bad} measurements lost, dropped or refused something: see rc in the results.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
