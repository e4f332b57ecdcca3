#!/usr/bin/env python3
"""libaivo beside other clients, against one server, interleaved; tables of medians.

  clients.py --server './aivo-server --port {port}' --client 'libaivo=./aivo_client {url} {seconds} 200' ...
"""
import argparse
import json
import os
import statistics
import subprocess

from bench import Server, free_port, mint, prepare, wait_quiet

# what it is, and where it stands in a client's result
ROWS = [
    ("acks/s, 1 in flight", ("k1", "msgs_per_s")),
    ("CPU us per ack, 1 in flight", ("k1", "cpu_us_per_msg")),
    ("p50 us, 1 in flight", ("k1", "p50_us")),
    ("acks/s, 100 in flight", ("k100", "msgs_per_s")),
    ("CPU us per ack, 100 in flight", ("k100", "cpu_us_per_msg")),
    ("memory connected, KB", ("idle_rss_kb",)),
    ("memory after the load, KB", ("rss_after_kb",)),
    ("process start to connected, ms", ("startup_ms",)),
    ("create to connected, ms", ("connect_ms",)),
    ("each further client on a shared loop, KB", ("further_client_kb",)),
]


def number(v):
    return f"{v:,.0f}" if v >= 100 else f"{v:.3g}"


def value(result, path):
    for key in path:
        result = result.get(key) if result else None
    return result


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--server", required=True, help="command of a fast server; {port} is filled in")
    ap.add_argument("--client", action="append", default=[], metavar="NAME=CMD", help="{url} and {seconds} are filled in")
    ap.add_argument("--runs", type=int, default=3)
    ap.add_argument("--seconds", type=float, default=4)
    ap.add_argument("--secret", default="bench-secret")
    ap.add_argument("--out", default="")
    args = ap.parse_args()
    args.servers = {"server": (args.server, False)}
    args.server_cpu, args.load_cpu, args.nice = 0, (os.cpu_count() or 2) - 1, 0
    args.server_log, args.uws_preload = subprocess.DEVNULL, ""
    clients = [spec.split("=", 1) for spec in args.client]
    results = {name: [] for name, _ in clients}
    env = dict(os.environ, SIO_TOKEN=mint(args.secret), NEXTAUTH_SECRET=args.secret)
    for run in range(args.runs):
        for name, command in clients:
            server = Server(args, "server", free_port())
            try:
                wait_quiet(0.2, 10)
                cmd = command.format(url="http://127.0.0.1:%d" % server.port, seconds=args.seconds)
                p = subprocess.run(cmd.split(), env=env, stdout=subprocess.PIPE, text=True, timeout=120,
                                   preexec_fn=prepare(args.load_cpu, 0))
                result = json.loads(p.stdout)
                results[name].append(result)
                if args.out:
                    with open(args.out, "a") as f:
                        f.write(json.dumps(dict(result, run=run)) + "\n")
                print("client %-18s run %d  k1 %.0f/s  k100 %.0f/s" % (
                    name, run + 1, result["k1"]["msgs_per_s"], result["k100"]["msgs_per_s"]), flush=True)
            finally:
                server.stop()
    print("\n| client, medians of %d | %s |" % (args.runs, " | ".join(name for name, _ in clients)))
    print("|---|" + "---|" * len(clients))
    for work, path in ROWS:
        cells = []
        for name, _ in clients:
            seen = [v for v in (value(r, path) for r in results[name]) if v]
            cells.append(number(statistics.median(seen)) if seen else "-")
        print("| %s | %s |" % (work, " | ".join(cells)))


if __name__ == "__main__":
    main()
