// Random traffic against two servers at once: one with built-in agents and connection state recovery, one with an outside agent
// that is as bad as the peers are. They must stay up, serve a good client, keep their label sets, and their heap flat once
// everybody is gone. Ten minutes with AIVO_LONG=1 under AddressSanitizer, a few seconds otherwise; AIVO_SEED repeats a run's choices.
import assert from "node:assert/strict";
import http from "node:http";
import path from "node:path";
import test from "node:test";
import { AivoServer, connected } from "./lib/aivo-server.mjs";
import { listen } from "./lib/peers.mjs";
import { build, long as longRuns, sleep, slow, until } from "./lib/process.mjs";
import { Random, traffic } from "./lib/traffic.mjs";

const seed = Number(process.env.AIVO_SEED) || Date.now() % 1000000;
const long = longRuns && /asan/.test(build); // the other builds' long runs would find nothing more
const minutes = Number(process.env.AIVO_TRAFFIC_MINUTES) || 10;
const program = path.join(build, "tests/e2e/aivo_server_heap");
const quick = {
  PING_INTERVAL_MS: "400", PING_TIMEOUT_MS: "400", CONNECT_TIMEOUT_MS: "500", RATE_LIMIT_WINDOW_MS: "200", RATE_LIMIT_MAX_MESSAGES: "50",
  MAX_PAYLOAD_BYTES: "50000", SESSION_IDLE_MS: "300", BENCH_EVENTS: "true", LOG_LEVEL: "error",
  ASAN_OPTIONS: `quarantine_size_mb=8:malloc_context_size=8:${process.env.ASAN_OPTIONS || ""}`,
};

async function badAgent(t) {
  const r = new Random(seed);
  const server = http.createServer((request, response) => {
    request.resume().on("end", () => {
      switch (r.below(8)) {
        case 0: return response.destroy();
        case 1: return response.writeHead(500).end("no");
        case 2: return response.end("garbage");
        case 3: return response.end(JSON.stringify("x".repeat(60000)));
        case 4: return setTimeout(() => response.end("{}"), 600);
        default: return response.end(JSON.stringify({ success: true, result: r.below(100) }));
      }
    });
    request.on("error", () => {});
  });
  const port = await listen(server);
  t.after(() => (server.closeAllConnections?.(), server.close()));
  return `http://127.0.0.1:${port}/`;
}

async function heap(server) {
  const before = server.lines.length;
  server.process.kill("SIGUSR2");
  const line = await until(() => server.lines.slice(before).find((text) => text.startsWith("heap ")), "the heap's size");
  return Number(line.slice(5));
}

async function quiet(server) {
  await until(async () => (await server.metric("websocket_connections_total")) === 0, "the last connection's end", 10000);
  await sleep(long ? 32000 : 500); // a closed polling session keeps its last words for 30 s
  return heap(server);
}

async function resident(server) {
  const { readFile } = await import("node:fs/promises");
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${server.process.pid}/status`, "utf8"))[1]);
}

async function serves(t, server) {
  const socket = await connected(t, server.url, { transports: ["websocket"] });
  const answer = await socket.timeout(5000 * slow).emitWithAck("quality_ping", { pingId: "still" });
  assert.equal(answer.pingId, "still");
  socket.close();
}

test("random traffic: servers stay up, and their heap stays flat", { timeout: (minutes + 5) * 60000 }, async (t) => {
  const servers = [
    await AivoServer.start(t, { ...quick, RECOVERY_MS: "500", RECOVERY_MAX_EVENTS: "200" }, [], { program }),
    await AivoServer.start(t, { ...quick, AGENT_URL: await badAgent(t), AGENT_TIMEOUT_MS: "300", AGENT_MAX_IN_FLIGHT: "8", AGENT_MAX_WAITING: "20" }, [], { program }),
  ];
  const rounds = long ? 5 : 2, seconds = long ? (minutes * 60) / rounds : 1.5;
  t.diagnostic(`seed ${seed}`);
  await Promise.all(servers.map((server, i) => traffic(server, { seed: seed + i, seconds: long ? 20 : 1.5, workers: 20 }))); // warm-up
  const heaps = [await Promise.all(servers.map(quiet))];
  for (let round = 1; round <= rounds; round++) {
    const counts = await Promise.all(servers.map((server, i) => traffic(server, { seed: seed + round * 1000 + i, seconds, workers: 20 })));
    heaps.push(await Promise.all(servers.map(quiet)));
    const rss = await Promise.all(servers.map(resident));
    t.diagnostic(`round ${round}: heap ${heaps[round].join(" and ")} bytes, resident ${rss.join(" and ")} kB, ${JSON.stringify(counts)}`);
    for (const server of servers) {
      assert.equal(server.ended, undefined, server.stderr.slice(-4000));
      await serves(t, server);
    }
  }
  for (const [i, server] of servers.entries()) {
    // Pools keep up to 4 MB by design; what grows with every round is a leak that no sanitizer sees.
    const list = heaps.map((both) => both[i]);
    const growth = list.at(-1) - list[1];
    assert.ok(list.at(-1) < list[0] + 6e6, `heap ${list.join(", ")}`);
    if (long) assert.ok(growth < 500000, `heap grew by ${growth}: ${list.join(", ")}`);
    const names = (await server.metrics()).split("\n").filter((line) => line && !line.startsWith("#"));
    assert.ok(names.length < 600, `${names.length} series`);
    assert.ok(!names.some((line) => /event-\d/.test(line)), "no peer's event name is a label");
  }
});
