// aivo-server over plain HTTP: metrics, health, CORS, start and end.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import test from "node:test";
import { AivoServer, connected, event, raw, request } from "./lib/aivo-server.mjs";
import { certificates } from "./lib/certificates.mjs";
import { secret, token } from "./lib/peers.mjs";
import { programs, slow, temporaryFolder, until } from "./lib/process.mjs";

// Over TLS, whatever the certificate's dates are.
const secure = (server, path) => new Promise((resolve, reject) => {
  const options = { host: "127.0.0.1", port: server.port, path, rejectUnauthorized: false, agent: false };
  https.get(options, (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (part) => (body += part)).on("end", () => resolve({ status: response.statusCode, body }));
  }).on("error", reject);
});

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
  assert.equal(mismatch.status, 78);
  assert.match(mismatch.stderr, /SSL_KEY_PATH \S+: this key is not the certificate's/);
  const flags = ["--ssl-enabled", "--ssl-key-path", certs.file("client.key"), "--ssl-cert-path", certs.file("server.pem")];
  for (const more of [[], ["--check"]]) assert.equal(run(t, { NEXTAUTH_SECRET: secret }, [...flags, ...more]).status, 78);
});

test("a certificate that is over is used, and said at the start, by --check, upon SIGHUP and by the metrics", async (t) => {
  const certs = certificates(t);
  const tls = { SSL_ENABLED: "true", SSL_KEY_PATH: certs.file("server.key"), SSL_CERT_PATH: certs.file("live.pem") };
  certs.dated("live", "20200101000000Z", "20200102000000Z");
  const ended = /warning: SSL_CERT_PATH \S+live\.pem: the certificate ended on 2020-01-02 00:00:00 UTC/;
  const check = run(t, { NEXTAUTH_SECRET: secret, ...tls }, ["--check"]);
  assert.equal(check.status, 0);
  assert.match(check.stderr, ended);
  const server = await AivoServer.start(t, tls);
  assert.match(server.stderr, ended);
  const certificateMetric = async () => {
    const { body } = await secure(server, "/metrics/prometheus");
    return Number(/^aivo_tls_certificate_not_after_seconds (\d+)$/m.exec(body)?.[1]);
  };
  assert.equal(await certificateMetric(), Date.UTC(2020, 0, 2) / 1000);
  assert.equal(JSON.parse((await secure(server, "/metrics")).body).certificateNotAfter, Date.UTC(2020, 0, 2));
  certs.dated("live", "20400101000000Z", "20410101000000Z");
  server.process.kill("SIGHUP");
  await until(() => /warn: SSL_CERT_PATH \S+: the certificate is valid from 2040-01-01 00:00:00 UTC on only/.test(server.stderr), "the date");
  assert.match(server.stderr, /info: certificate reloaded/);
  assert.equal(await certificateMetric(), Date.UTC(2041, 0, 1) / 1000);
});

test("a name without an address stops the start, and HOST is named; so is a value that is none", async (t) => {
  const none = run(t, { NEXTAUTH_SECRET: secret, HOST: "nohost.invalid" });
  assert.equal(none.status, 1);
  assert.match(none.stderr, /^aivo-server: HOST: cannot listen on 'nohost\.invalid': /);
  const dash = run(t, {}, ["--host", "-1"]);
  assert.equal(dash.status, 64);
  assert.equal(dash.stderr, "aivo-server: --host: '-1' is neither an address nor a name\n");
});

test("LOG_LEVEL=debug tells who came, what was refused, and why who went; never a token or what was sent", async (t) => {
  const server = await AivoServer.start(t, { LOG_LEVEL: "debug", RATE_LIMIT_MAX_MESSAGES: "1" });
  const told = (pattern) => until(() => pattern.test(server.stderr), String(pattern));
  await assert.rejects(connected(t, server.url, { auth: { token: "what-a-secret" } }));
  await told(/debug: connection refused address=127\.0\.0\.1 reason="Invalid authentication token"/);
  await assert.rejects(connected(t, `${server.url}/nowhere`, {}));
  await told(/debug: connection refused address=127\.0\.0\.1 reason="Invalid namespace"/);
  await request(`${server.url}/socket.io/?EIO=4&transport=pigeon&token=in-the-query`);
  await told(/debug: request refused address=127\.0\.0\.1 reason="400 Bad Request \S*Transport unknown/);
  const mine = token();
  const socket = await connected(t, server.url, { auth: { token: mine, learnerId: "L1" } });
  const id = socket.id;
  await told(new RegExp(`debug: connected socket=${id} namespace=/ address=127\\.0\\.0\\.1 user=\\S+\n`));
  for (let i = 0; i < 14; i++) await socket.timeout(5000 * slow).emitWithAck("agent:tutor", { input: "what-was-said" });
  await told(new RegExp(`debug: event received socket=${id} name=agent:tutor bytes=\\d+ ack=true`));
  await told(/warn: message refused: rate limit event=rate_limit/);
  await told(/debug: message refused: rate limit event=rate_limit/); // beyond the ten a minute
  socket.close();
  await told(new RegExp(`debug: disconnected socket=${id} .*reason="client namespace disconnect"`));
  assert.doesNotMatch(server.stderr, /what-a-secret|what-was-said|in-the-query/);
  assert.ok(!server.stderr.includes(mine) && !server.stderr.includes(mine.split(".")[2]));
  const info = await AivoServer.start(t);
  (await connected(t, info.url)).close();
  assert.doesNotMatch(info.stderr, /debug:/);
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
