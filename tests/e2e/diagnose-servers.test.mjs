// The diagnosis against servers that work, of several makes, and what it finds out about them.
import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import test from "node:test";
import { WebSocketServer } from "ws";
import { AivoServer } from "./lib/aivo-server.mjs";
import { certificates } from "./lib/certificates.mjs";
import { assertFails, assertWarns, begin, diagnose, finish } from "./lib/diagnosis.mjs";
import { listen, Peer, token } from "./lib/peers.mjs";
import { slow, until } from "./lib/process.mjs";
import { connectProxy } from "./lib/proxy.mjs";

const auth = (claims, options) => ({ auth: { token: token(claims, options), learnerId: "L1" } });

// By the defaults, all of it takes less than three seconds.
test("aivo-server: everything is well, in less than 3 s", async (t) => {
  const server = await AivoServer.start(t);
  const report = await diagnose(t, server.url, { ...auth(), count: 10, interval: 150 });
  assert.equal(report.verdict, "good", report.summary);
  assert.equal(report.exit_code, 0);
  assert.ok(report.duration_ms < 3000 * slow, `${report.duration_ms} ms`);
  const { dns, tcp, engineio, auth: authed, probes, polling } = report.stages;
  assert.equal(dns.facts.addresses[0].address, "127.0.0.1");
  assert.equal(tcp.facts.addresses[0].connected, true);
  assert.equal(engineio.facts.ping_interval_ms, 25000);
  assert.equal(engineio.facts.max_payload_bytes, 1000000);
  assert.equal(authed.facts.token_subject, "learner-1");
  assert.ok(Math.abs(authed.facts.token_expires_in_s - 3600) < 30);
  assert.ok(Math.abs(authed.facts.clock_skew_s) < 2, "aivo-server dates its answers");
  assert.equal(probes.facts.answered, 10);
  assert.equal(probes.facts.loss_source, "tcp");
  assert.equal(probes.facts.loss_pct, 0);
  for (const key of ["p50_ms", "p95_ms", "p99_ms", "jitter_ms", "network_ms", "edge_ms", "handler_ms"])
    assert.equal(typeof probes.facts[key], "number", `${key} ${JSON.stringify(probes.facts)}`);
  assert.equal(polling.facts.requests, 4);
  assert.equal(polling.facts.unknown_session, 0);
  assert.equal(report.stages.throughput.code, "not-asked");
});

test("a stock Socket.IO server, over TLS, in a namespace", async (t) => {
  const certs = certificates(t);
  const peer = await Peer.start(t, {}, { tls: certs.options("server") });
  peer.io.of("/class");
  const report = await diagnose(t, `https://localhost:${peer.port}`, { ca: certs.file("ca.pem"), nsp: "/class", pin: certs.pin("server") });
  assert.ok(report.exit_code === 0, JSON.stringify(report));
  const tls = assertWarns(report, "tls", "tls-expires-soon"); // two days
  assert.equal(tls.facts.version, "TLSv1.3");
  assert.match(tls.facts.cipher, /^TLS_/);
  assert.match(tls.facts.names, /localhost/);
  assert.equal(tls.facts.days_left, 1);
  assert.equal(tls.facts.pin, certs.pin("server"));
  assert.equal(tls.facts.chain[0].issuer, "ca");
  // The clocks are compared by the Date of the long-polling answer.
  assert.ok(Math.abs(report.stages.auth.facts.clock_skew_s) < 2, JSON.stringify(report.stages.auth.facts));
  assert.equal(report.stages.probes.facts.handler_ms, null);
});

test("a plain WebSocket server", async (t) => {
  const server = http.createServer();
  new WebSocketServer({ server, path: "/stream" }).on("connection", (ws) => ws.on("message", (text) => ws.send(`${text}`)));
  const port = await listen(server);
  t.after(() => (server.close(), server.closeAllConnections()));
  const report = await diagnose(t, `ws://127.0.0.1:${port}/stream`, { websocket: true, throughput: true });
  assert.equal(report.exit_code, 0, JSON.stringify(report));
  assert.equal(report.stages.probes.facts.answered, 3);
  assert.ok(report.stages.throughput.facts.up_kbit_s > 0);
  assert.ok(report.stages.throughput.facts.down_kbit_s > 0, "it echoes");
  for (const stage of ["engineio", "auth", "polling"]) assert.equal(report.stages[stage].code, "not-needed");
  // And it says so when Socket.IO was meant.
  const wrong = await diagnose(t, `ws://127.0.0.1:${port}`, { path: "/stream", stage_timeout: 300 });
  assertFails(wrong, "engineio", "engineio-timeout", 2);
});

test("through a proxy, and what is wrong with proxies", async (t) => {
  const peer = await Peer.start(t);
  const target = `http://service.example:${peer.port}`; // only the proxy knows this name
  const names = { "service.example": "127.0.0.1" };
  const open = await connectProxy(t, { names });
  const report = await diagnose(t, target, { proxy: open.url });
  assert.equal(report.exit_code, 0, JSON.stringify(report));
  assert.equal(report.stages.proxy.status, "ok");
  assert.ok(open.requests.length >= 6, "long-polling goes through it as well");
  const locked = await connectProxy(t, { names, credentials: "user:secret" });
  assertFails(await diagnose(t, target, { proxy: locked.url }), "proxy", "proxy-auth-required", 2);
  const wrong = await diagnose(t, target, { proxy: locked.url.replace("//", "//user:guess@") });
  assertFails(wrong, "proxy", "proxy-credentials", 2);
  assert.ok(!JSON.stringify(wrong).includes("guess"), "the password is not told");
  assert.equal((await diagnose(t, target, { proxy: locked.url.replace("//", "//user:secret@") })).exit_code, 0);
  const strict = await connectProxy(t, { refuse: 403 });
  assertFails(await diagnose(t, target, { proxy: strict.url }), "proxy", "proxy-forbidden", 2);
  const cutOff = await connectProxy(t, { refuse: 502 });
  assertFails(await diagnose(t, target, { proxy: cutOff.url }), "proxy", "proxy-unreachable-server", 2);
  assertFails(await diagnose(t, target, { proxy: "http://proxy.invalid:3128" }), "dns", "dns-not-found", 2);
  const noProxy = net.createServer((socket) => socket.end("220 mail ready\r\n"));
  const port = await listen(noProxy);
  t.after(() => noProxy.close());
  assertFails(await diagnose(t, target, { proxy: `http://127.0.0.1:${port}` }), "proxy", "proxy-not-http", 2);
});

// Two instances behind a balancer that gives every TCP connection to the next one.
test("sticky sessions that do not stick", async (t) => {
  const backends = [await Peer.start(t), await Peer.start(t)];
  let turn = 0;
  const balancer = net.createServer((client) => {
    const upstream = net.connect(backends[turn++ % 2].port, "127.0.0.1");
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) socket.on("error", () => (client.destroy(), upstream.destroy()));
  });
  const port = await listen(balancer);
  t.after(() => balancer.close());
  const report = await diagnose(t, `http://127.0.0.1:${port}`, { sticky: 8 });
  const polling = assertWarns(report, "polling", "sticky-sessions");
  // Every second request comes to the wrong one; the handshake itself may have been any.
  assert.equal(polling.facts.unknown_session, 4, JSON.stringify(polling));
  assert.equal(report.exit_code, 0, "WebSocket alone works");
});

test("origins: allowed, not allowed, refused", async (t) => {
  const peer = await Peer.start(t, { cors: { origin: "https://app.example", credentials: true } });
  const allowed = await diagnose(t, peer.url, { origin: "https://app.example" });
  assert.equal(allowed.stages.polling.status, "ok", JSON.stringify(allowed.stages.polling));
  assert.equal(allowed.stages.polling.facts.allow_origin, "https://app.example");
  assertWarns(await diagnose(t, peer.url, { origin: "https://evil.example" }), "polling", "cors");
  const strict = await Peer.start(t, { allowRequest: (req, done) => done(null, req.headers.origin === "https://app.example") });
  assertFails(await diagnose(t, strict.url, { origin: "https://evil.example" }), "http", "http-forbidden", 3);
});

test("a slow handler is told apart from the network", async (t) => {
  const server = await AivoServer.start(t, { TEST_HANDLER_DELAY_MS: "150" }, ["--conformance"]);
  const report = await diagnose(t, server.url, { count: 8 });
  const probes = assertWarns(report, "probes", "handler-slow");
  assert.ok(Math.abs(probes.facts.handler_ms - 150) < 30 * slow, JSON.stringify(probes.facts));
  assert.equal(report.exit_code, 0, "the connection itself is good");
});

test("a server's limit on messages", async (t) => {
  const server = await AivoServer.start(t, { RATE_LIMIT_MAX_MESSAGES: "20", RATE_LIMIT_WINDOW_MS: "60000" });
  const report = await diagnose(t, server.url, { ...auth(), rate_limit: true, rate_messages: 40 });
  const limit = assertWarns(report, "rate-limit", "rate-limited");
  assert.equal(limit.facts.accepted, 20);
  assert.ok(limit.facts.retry_after_ms > 50000 && limit.facts.retry_after_ms <= 60000);
  assert.equal(report.exit_code, 0);
  const more = await diagnose(t, server.url, { ...auth(), rate_limit: true, rate_messages: 10 });
  assert.equal(more.stages["rate-limit"].status, "ok", "10 are within the limit");
});

test("throughput: bytes that the server has read", async (t) => {
  const server = await AivoServer.start(t);
  const { stages } = await diagnose(t, server.url, { ...auth(), throughput: true, throughput_bytes: 300000 });
  assert.equal(stages.throughput.status, "ok", JSON.stringify(stages.throughput));
  assert.ok(stages.throughput.facts.bytes >= 300000 && stages.throughput.facts.up_kbit_s > 1000);
  assert.equal(stages.throughput.facts.down_kbit_s, null, "nothing comes back");
  const echoing = await AivoServer.start(t, {}, ["--conformance"]);
  const both = await diagnose(t, echoing.url, { throughput: true, throughput_event: "message-with-ack" });
  assert.equal(both.stages.throughput.status, "ok", JSON.stringify(both.stages.throughput));
  assert.ok(both.stages.throughput.facts.down_kbit_s > 1000);
});

test("until the figures are certain: more probes than asked for, and an end", async (t) => {
  const peer = await Peer.start(t);
  const report = await diagnose(t, peer.url, { count: 2, until_confident: true, confidence_pct: 12, confident_ms: 20000 });
  const { facts } = report.stages.probes;
  assert.equal(facts.confident, true);
  assert.ok(facts.answered > 20 && facts.answered < 100, `${facts.answered} probes`);
  assert.ok(facts.loss_high_pct - facts.loss_low_pct <= 12);
  const short = await diagnose(t, peer.url, { count: 2, until_confident: true, confidence_pct: 0.5, confident_ms: 500 });
  assert.equal(short.stages.probes.facts.confident, false);
  assert.equal(short.exit_code, 0);
});

test("Ctrl-C ends it at once, with what is known", async (t) => {
  const peer = await Peer.start(t);
  const child = begin(t, peer.url, { count: 1000, interval: 200 });
  await until(() => child.lines.some((line) => JSON.parse(line).begin === "probes"), "the probes begin");
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = Date.now();
  child.process.kill("SIGINT");
  const report = await finish(child);
  assert.ok(Date.now() - before < 500 * slow);
  assert.equal(report.cancelled, true);
  assert.equal(report.exit_code, 0, report.summary);
  assert.ok(report.stages.probes.facts.answered >= 1);
  assert.equal(report.stages.polling.code, "cancelled");
});
