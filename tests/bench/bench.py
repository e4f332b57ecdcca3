#!/usr/bin/env python3
"""Run the load generator against several Socket.IO servers and keep the results.

Each server runs alone on one CPU, the load generator on another.  Runs are
interleaved (server A, B, C, then A, B, C again) so that a slow phase of the
machine does not fall on one server only.  One JSON line per measurement goes
to --out; report.py turns that file into tables of medians.

  bench.py ack latency idle storm fanout growth redis --runs 3
  bench.py ack --add 'sut=./server --port {port}' --server sut,node-socketio
  bench.py ack growth --add-raw 'echo=./echo {port}' --server echo
"""
import argparse
import base64
import hashlib
import hmac
import json
import os
import shlex
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILTIN = {
    "node-socketio": ("node %s/peers/node-socketio/server.js" % HERE, False),
    "node-uws": ("node %s/peers/node-uws/server.js" % HERE, False),
    "python-socketio": ("/usr/bin/python3 %s/peers/python-socketio/server.py" % HERE, False),
}
SUITES = ("ack", "latency", "idle", "storm", "fanout", "growth", "redis")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def mint(secret, user="learner-1"):
    """An HS256 token, good for an hour."""
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = part(json.dumps({"userId": user, "sub": user, "exp": int(time.time()) + 3600}).encode())
    sign = part(hmac.new(secret.encode(), head + b"." + body, hashlib.sha256).digest())
    return b".".join((head, body, sign)).decode()


def prepare(cpu, prio):
    """Child side: own session, pinned, and (root only) ahead of other work."""
    def setup():
        os.setsid()
        os.sched_setaffinity(0, {cpu})
        if prio:
            try:
                os.setpriority(os.PRIO_PROCESS, 0, prio)
                with open("/proc/self/autogroup", "w") as f:
                    f.write(str(prio))
            except OSError:
                pass
    return setup


def cpu_busy():
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    idle = v[3] + v[4]
    return sum(v) - idle, sum(v)


def wait_quiet(limit, patience):
    """Wait until the machine is quiet; return the busy share last seen."""
    end = time.time() + patience
    while True:
        b0, t0 = cpu_busy()
        time.sleep(0.5)
        b1, t1 = cpu_busy()
        busy = (b1 - b0) / max(1, t1 - t0)
        if busy < limit or time.time() > end:
            return busy


class Server:
    def __init__(self, args, name, port, extra_env=None):
        cmd, self.raw = args.servers[name]
        env = dict(os.environ, PORT=str(port), NEXTAUTH_SECRET=args.secret)
        if name == "node-uws" and args.uws_preload:
            env["LD_PRELOAD"] = args.uws_preload
        env.update(extra_env or {})
        self.port = port
        self.proc = subprocess.Popen(shlex.split(cmd.format(port=port)), env=env, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=args.server_log,
                                     preexec_fn=prepare(args.server_cpu, args.nice))
        self.pid = self.proc.pid
        end = time.time() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                if self.proc.poll() is not None or time.time() > end:
                    self.stop()
                    raise SystemExit("server %s did not start" % name)
                time.sleep(0.05)
        time.sleep(0.5)

    def stop(self):
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(2)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()


def load(args, srv, *opts, pids=None, timeout=180):
    cmd = [args.sioload, "--json", "--port", str(srv.port), "--token-secret", args.secret,
           "--server-pid", ",".join(str(p) for p in (pids or [srv.pid]))]
    if srv.raw:
        cmd.append("--raw")
    cmd += [str(o) for o in opts]
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                       preexec_fn=prepare(args.load_cpu, args.nice))
    try:
        return json.loads(p.stdout)
    except ValueError:
        sys.stderr.write(p.stderr)
        return {"rc": p.returncode or 1, "error": p.stderr[-300:]}


def measure(args, suite, name, case, run, srv, *opts, pids=None):
    """One measurement, repeated once when other work took too much CPU."""
    if args.only and not any(o in case for o in args.only.split(",")):
        return None
    for attempt in (1, 2):
        quiet = wait_quiet(args.quiet, args.patience)
        r = load(args, srv, *opts, pids=pids)
        wall = r.get("duration", 1) or 1
        if suite == "idle" or r.get("other_cpu_s", 0) <= 0.25 * wall:
            break           # memory is measured on a fresh process only
    r.update(suite=suite, server=name, case=case, run=run, busy_before=round(quiet, 3), attempt=attempt)
    args.outfile.write(json.dumps(r) + "\n")
    args.outfile.flush()
    key = next((k for k in ("msgs_per_s", "handshakes_per_s", "deliveries_per_s", "rss_per_conn_kb") if k in r), None)
    print("%-8s %-16s %-22s run %d  %s=%s  server %.0f%% load %.0f%% other %.2fs rc=%s" % (
        suite, name, case, run, key, r.get(key), r.get("server_cpu_pct", 0), r.get("load_cpu_pct", 0),
        r.get("other_cpu_s", 0), r.get("rc")), flush=True)
    return r


def warm(args, srv):
    load(args, srv, "--conns", 50, "--inflight", 4, "--duration", 2.5, "--warmup", 0.2)


def suite_ack(args, name, run):
    s = Server(args, name, free_port())
    try:
        warm(args, s)
        for conns, k in ((100, 1), (100, 8), (100, 32), (1000, 1)):
            measure(args, "ack", name, "conns=%d k=%d" % (conns, k), run, s,
                    "--conns", conns, "--inflight", k, "--duration", args.seconds, "--warmup", 1)
    finally:
        s.stop()


def suite_latency(args, name, run):
    s = Server(args, name, free_port())
    try:
        warm(args, s)
        for rate in (5000, 10000, 20000):
            measure(args, "latency", name, "rate=%d" % rate, run, s,
                    "--conns", 200, "--rate", rate, "--duration", args.seconds, "--warmup", 1)
    finally:
        s.stop()


def suite_idle(args, name, run):
    for n in (1000, 5000, 9000):
        if args.only and not any(o in "conns=%d" % n for o in args.only.split(",")):
            continue
        s = Server(args, name, free_port())
        try:
            measure(args, "idle", name, "conns=%d" % n, run, s,
                    "--mode", "idle", "--conns", n, "--ramp", 3000, "--duration", 4)
        finally:
            s.stop()


def suite_storm(args, name, run):
    s = Server(args, name, free_port())
    try:
        measure(args, "storm", name, "conc=64", run, s,
                "--mode", "storm", "--conns", 64, "--duration", args.seconds, "--warmup", 4)
    finally:
        s.stop()


def suite_fanout(args, name, run):
    s = Server(args, name, free_port())
    try:
        if not s.raw:
            warm(args, s)
        for window in (1, 4, 32):
            measure(args, "fanout", name, "listeners=1000 w=%d" % window, run, s, "--mode", "fanout", "--conns", 1000,
                    "--inflight", window, "--duration", args.seconds, "--warmup", 1.5)
    finally:
        s.stop()


def suite_growth(args, name, run):
    for conns, rate in ((100, 1000), (100, 10000), (1000, 10000), (9000, 10000), (9000, 90000)):
        case = "conns=%d rate=%d" % (conns, rate)
        if args.only and not any(o in case for o in args.only.split(",")):
            continue
        s = Server(args, name, free_port())
        try:
            warm(args, s)
            measure(args, "growth", name, case, run, s, "--conns", conns, "--rate", rate,
                    "--max-outstanding", 64, "--ramp", 3000, "--duration", args.seconds, "--warmup", 1.5)
        finally:
            s.stop()


def suite_redis(args, name, run):
    """Two instances joined by Redis: publisher on one, listeners on the other."""
    rport = free_port()
    redis = subprocess.Popen(["redis-server", "--port", str(rport), "--bind", "127.0.0.1", "--save", "", "--appendonly",
                              "no"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             preexec_fn=prepare(args.server_cpu, args.nice))
    servers = []
    try:
        time.sleep(0.5)
        env = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(rport)}
        a = Server(args, name, free_port(), env)
        servers.append(a)
        b = Server(args, name, free_port(), env)
        servers.append(b)
        pids = [a.pid, b.pid, redis.pid]
        warm(args, a)
        warm(args, b)
        fan = ["--mode", "fanout", "--pub-port", a.port]
        measure(args, "redis", name, "cross listeners=1000", run, b, *fan, "--conns", 1000, "--inflight", 4,
                "--duration", args.seconds, "--warmup", 1.5, pids=pids)
        lat = ["--conns", 20, "--rate", 100, "--duration", args.seconds, "--warmup", 1]
        measure(args, "redis", name, "latency cross", run, b, *fan, *lat, pids=pids)
        measure(args, "redis", name, "latency same", run, a, *fan, *lat, pids=pids)
    finally:
        for s in servers:
            s.stop()
        redis.terminate()
        redis.wait()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("suite", nargs="+", choices=SUITES)
    ap.add_argument("--server", default="node-socketio", help="names, separated by commas")
    ap.add_argument("--add", action="append", default=[], metavar="NAME=CMD", help="a Socket.IO server; {port} is filled in")
    ap.add_argument("--add-raw", action="append", default=[], metavar="NAME=CMD", help="a plain websocket echo server")
    ap.add_argument("--runs", type=int, default=3)
    ap.add_argument("--seconds", type=float, default=4)
    ap.add_argument("--out", default="results.jsonl")
    ap.add_argument("--sioload", default=os.path.join(HERE, "../../build/bench/sioload"))
    ap.add_argument("--only", default="", help="only cases that contain one of these texts (separated by commas)")
    ap.add_argument("--secret", default="bench-secret")
    ap.add_argument("--server-cpu", type=int, default=0)
    ap.add_argument("--load-cpu", type=int, default=1)
    ap.add_argument("--nice", type=int, default=0, help="e.g. -20 on a machine shared with other work (root)")
    ap.add_argument("--quiet", type=float, default=0.2, help="wait for less than this busy share before a run")
    ap.add_argument("--patience", type=float, default=20, help="but no longer than this (s)")
    ap.add_argument("--uws-preload", default="", help="LD_PRELOAD for the node-uws peer")
    args = ap.parse_args()
    args.servers = dict(BUILTIN)
    for spec, raw in [(s, False) for s in args.add] + [(s, True) for s in args.add_raw]:
        name, cmd = spec.split("=", 1)
        args.servers[name] = (cmd, raw)
    names = args.server.split(",")
    args.server_log = subprocess.DEVNULL
    with open(args.out, "a") as args.outfile:
        for suite in args.suite:
            for run in range(1, args.runs + 1):
                for name in names:
                    globals()["suite_" + suite](args, name, run)


if __name__ == "__main__":
    main()
