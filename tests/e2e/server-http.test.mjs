// aivo-server over plain HTTP: metrics, health, CORS, start and end.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import net from "node:net";
import test from "node:test";
import { AivoServer, connected, event, raw, request } from "./lib/aivo-server.mjs";
import { certificates } from "./lib/certificates.mjs";
import { secret } from "./lib/peers.mjs";
import { programs, slow, temporaryFolder, until } from "./lib/process.mjs";

const polling = "/socket.io/?EIO=4&transport=polling";

test("the eight metrics are there before anything happened, and count what happens", async (t) => {
  const server = await AivoServer.start(t);
  const names = ["websocket_connections_total", "websocket_connections_count", "websocket_disconnections_total",
    "websocket_messages_sent_total", "websocket_messages_received_total", "websocket_message_latency_ms",
    "websocket_errors_total", "websocket_active_sessions"];
  const first = await fetch(`${server.url}/metrics/prometheus`);
  assert.match(first.headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
  const text = await first.text();
  for (const name of names) assert.match(text, new RegExp(`^# TYPE ${name} `, "m"), name);
  const socket = await connected(t, server.url, { transports: ["websocket"] });
  await socket.timeout(5000 * slow).emitWithAck("agent:learning", { action: "start_session" });
  assert.equal(await server.metric("websocket_connections_total"), 1);
  assert.equal(await server.metric("websocket_connections_count"), 1);
  assert.equal(await server.metric("websocket_active_sessions"), 1);
  assert.equal(await server.metric('websocket_messages_received_total{event="agent:learning"}'), 1);
  assert.equal(await server.metric('websocket_messages_sent_total{event="connection:quality"}'), 1);
  assert.equal(await server.metric('websocket_message_latency_ms_count{event="agent:learning"}'), 1);
  for (const le of [1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000])
    assert.ok(!Number.isNaN(await server.metric(`websocket_message_latency_ms_bucket{event="agent:learning",le="${le}"}`)), String(le));
  const json = await (await fetch(`${server.url}/metrics`)).json();
  assert.equal(typeof json, "object");
});

test("healthz, readyz, and what is not there", async (t) => {
  const server = await AivoServer.start(t);
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  assert.equal((await fetch(`${server.url}/nothing`)).status, 404);
});

test("CORS: preflight, credentials, another origin, no origin", async (t) => {
  const server = await AivoServer.start(t, { CORS_ORIGIN: "http://localhost:3000,https://school.example" });
  for (const origin of ["http://localhost:3000", "https://school.example"]) {
    const preflight = await request(server.url + polling, {
      method: "OPTIONS",
      headers: { Origin: origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type" },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers["access-control-allow-origin"], origin);
    assert.equal(preflight.headers["access-control-allow-credentials"], "true");
    assert.match(preflight.headers["access-control-allow-methods"], /POST/);
    const open = await request(server.url + polling, { headers: { Origin: origin } });
    assert.equal(open.status, 200);
    assert.equal(open.headers["access-control-allow-origin"], origin);
    assert.equal(open.headers["access-control-allow-credentials"], "true");
  }
  const bad = await request(server.url + polling, { headers: { Origin: "https://evil.example" } });
  assert.equal(bad.status, 403);
  assert.deepEqual(JSON.parse(bad.body), { code: 4, message: "Forbidden" });
  assert.equal(bad.headers["access-control-allow-origin"], undefined);
  const upgrade = { Origin: "https://evil.example", Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" };
  assert.equal((await request(`${server.url}/socket.io/?EIO=4&transport=websocket`, { headers: upgrade })).status, 403);
  assert.equal((await request(server.url + polling)).status, 200);
});

test("CORS_ORIGIN=* allows everybody, without credentials", async (t) => {
  const server = await AivoServer.start(t, { CORS_ORIGIN: "*" });
  const open = await request(server.url + polling, { headers: { Origin: "https://anywhere.example" } });
  assert.equal(open.headers["access-control-allow-origin"], "*");
  assert.equal(open.headers["access-control-allow-credentials"], undefined);
});

test("SIGTERM drains: clients are told, nothing new is taken, exit 0 within ten seconds", async (t) => {
  const server = await AivoServer.start(t);
  const sockets = await Promise.all([["websocket"], ["polling"]].map((transports) => connected(t, server.url, { transports })));
  const told = sockets.map((socket) => event(socket, "disconnect", 10000));
  const begin = Date.now();
  server.process.kill("SIGTERM");
  for (const reason of await Promise.all(told)) assert.match(reason, /server disconnect|transport (close|error)/);
  assert.deepEqual(await server.exit, { code: 0, signal: null });
  assert.ok(Date.now() - begin < 10000 * slow, `${Date.now() - begin} ms`);
});

test("SIGTERM: acknowledgements under way are still given", async (t) => {
  const server = await AivoServer.start(t, { TEST_HANDLER_DELAY_MS: "500" }, ["--conformance"]);
  const socket = await connected(t, server.url, { transports: ["websocket"] });
  const answer = socket.timeout(8000 * slow).emitWithAck("message-with-ack", "last words");
  await new Promise((resolve) => setTimeout(resolve, 100));
  server.process.kill("SIGTERM");
  assert.equal(await answer, "last words");
  assert.deepEqual(await server.exit, { code: 0, signal: null });
});

// Runs the server to its end; what cannot be started must end by itself.
function run(t, env, args = [], file = null) {
  const cwd = temporaryFolder(t);
  if (file !== null) writeFileSync(`${cwd}/.env`, file);
  const { status, stdout, stderr } = spawnSync(programs.server, args, {
    cwd, encoding: "utf8", timeout: 10000 * slow, env: { PATH: process.env.PATH, PORT: "0", ...env },
  });
  return { status, stdout, stderr };
}

test("a bad value is named, with its line, and the server does not start", async (t) => {
  const bad = run(t, {}, [], "# comment\n\nLOG_LEVEL=loud\n");
  assert.notEqual(bad.status, 0);
  assert.match(bad.stderr, /\.env:3: LOG_LEVEL/);
  assert.match(run(t, { RATE_LIMIT_WINDOW_MS: "soon" }).stderr, /RATE_LIMIT_WINDOW_MS/);
  assert.match(run(t, {}, ["--prot", "1"]).stderr, /--prot/);
  assert.match(run(t, { HOST: "0.0.0.0" }).stderr, /NEXTAUTH_SECRET/);
});

test("a certificate that cannot be used stops the start", async (t) => {
  const certs = certificates(t);
  const env = { NEXTAUTH_SECRET: secret, SSL_ENABLED: "true" };
  const missing = run(t, { ...env, SSL_KEY_PATH: certs.file("server.key"), SSL_CERT_PATH: certs.file("nowhere.pem") });
  assert.notEqual(missing.status, 0);
  assert.match(missing.stderr, /nowhere\.pem/);
  const mismatch = run(t, { ...env, SSL_KEY_PATH: certs.file("client.key"), SSL_CERT_PATH: certs.file("server.pem") });
  assert.notEqual(mismatch.status, 0);
  assert.notEqual(mismatch.status, null);
});

test("a port that is taken stops the start with a reason", async (t) => {
  const server = await AivoServer.start(t);
  const second = run(t, { NEXTAUTH_SECRET: secret, PORT: String(server.port) });
  assert.ok(second.status > 0, JSON.stringify(second));
  assert.match(second.stderr, new RegExp(String(server.port)));
});

test("--check prints what it would run with, secrets masked", async (t) => {
  const { status, stdout } = run(t, { NEXTAUTH_SECRET: secret }, ["--check", "--port", "4711"]);
  assert.equal(status, 0);
  assert.match(stdout, /PORT=4711/);
  assert.match(stdout, /NEXTAUTH_SECRET=\*+/);
  assert.doesNotMatch(stdout, new RegExp(secret));
});

test("started with standard input and standard error closed it serves, and ends in order", async (t) => {
  const child = spawn("sh", ["-c", 'exec "$0" --port 0 <&- 2>&-', programs.server], { cwd: temporaryFolder(t), stdio: ["ignore", "pipe", "ignore"] });
  t.after(() => child.kill("SIGKILL"));
  const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));
  const line = await new Promise((resolve) => (child.stdout.once("data", (data) => resolve(String(data))), ended.then(() => resolve("ended"))));
  assert.match(line, /^listening on /);
  assert.equal((await fetch(`${line.trim().slice(13)}/healthz`)).status, 200);
  child.kill("SIGTERM");
  assert.deepEqual(await ended, { code: 0, signal: null });
});

// What is written while nobody looks must be machine readable, also what the library says about peers.
test("LOG_FORMAT=json: one object a line, too large headers and a want of descriptors included", async (t) => {
  const server = await AivoServer.start(t, { LOG_FORMAT: "json" });
  for (let i = 0; i < 30; i++) await raw(server.port, `GET /healthz HTTP/1.1\r\nHost: a\r\nCookie: ${"a".repeat(20000)}\r\n\r\n`);
  assert.equal(await server.metric('websocket_errors_total{type="bad_packet"}'), 30);
  const lines = server.stderr.trim().split("\n").map((line) => JSON.parse(line));
  const about = lines.filter((line) => line.event === "head_too_large");
  assert.equal(about.length, 10);
});

test("no descriptor left: one line says what to raise", async (t) => {
  const script = 'ulimit -n 40; exec "$0" --port 0';
  const child = spawn("sh", ["-c", script, programs.server], { cwd: temporaryFolder(t), stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let errors = "";
  child.stderr.on("data", (data) => (errors += data));
  const line = await new Promise((resolve) => child.stdout.once("data", (data) => resolve(String(data))));
  const port = Number(new URL(line.trim().slice(13)).port);
  const sockets = Array.from({ length: 60 }, () => net.connect(port, "127.0.0.1").on("error", () => {}));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  await until(() => /no file descriptor left, the limit is 40: .*ulimit -n/.test(errors), "the warning");
  await until(() => sockets.filter((socket) => socket.closed).length >= 20, "the refusals");
  assert.equal(errors.match(/descriptor/g).length, 1);
});
