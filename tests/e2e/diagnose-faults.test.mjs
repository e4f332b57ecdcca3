// The fault laboratory: each fault, the stage that has to name it, and the exit code. Servers here are scripted, so that
// they do exactly one thing wrong. What needs a filtered port or a dead name server is in tests/wire/test_diagnose.c.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import net from "node:net";
import test from "node:test";
import tls from "node:tls";
import { AivoServer } from "./lib/aivo-server.mjs";
import { certificates } from "./lib/certificates.mjs";
import { assertFails, assertWarns, diagnose } from "./lib/diagnosis.mjs";
import { jwt, listen, Peer, secret, token } from "./lib/peers.mjs";

const quick = { stage_timeout: 400, polling: false };

// A TCP server whose connections are given to `script`; ended with the test.
async function tcp(t, script) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    script(socket);
  });
  const port = await listen(server);
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${port}`;
}

// An HTTP server that gives every request the same answer.
const answering = (t, answer) => tcp(t, (socket) => socket.once("data", () => socket.end(answer)));
const status = (line, headers = "", body = "") => `HTTP/1.1 ${line}\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;

const frame = (text) => {
  const payload = Buffer.from(text);
  assert.ok(payload.length < 126);
  return Buffer.concat([Buffer.from([0x81, payload.length]), payload]);
};
const accept = (request) =>
  createHash("sha1").update(`${/Sec-WebSocket-Key: (\S+)/i.exec(request)[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
const upgraded = (request) =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(request)}\r\n\r\n`;

// A WebSocket server that sends `first` once it is open, and `then` after the client's first message.
const websocket = (t, first, then = () => {}) =>
  tcp(t, (socket) => {
    socket.once("data", (request) => {
      socket.write(upgraded(request.toString()));
      if (first) socket.write(frame(first));
      socket.once("data", () => then(socket));
    });
  });
const open = '0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';

test("no such host", async (t) => assertFails(await diagnose(t, "http://nosuch.invalid", quick), "dns", "dns-not-found", 2));

test("refused: nothing listens", async (t) => {
  const server = net.createServer();
  const port = await listen(server);
  server.close();
  const at = assertFails(await diagnose(t, `http://127.0.0.1:${port}`, quick), "tcp", "tcp-refused", 2);
  assert.match(at.reason, new RegExp(`127.0.0.1:${port}`));
});

test("certificates: unknown CA, self-signed, wrong name, expired, pin, client certificate, no TLS at all", async (t) => {
  const certs = certificates(t);
  const ca = certs.file("ca.pem");
  const at = async (options, settings = {}) => {
    const server = tls.createServer(options, (socket) => socket.on("error", () => {}));
    server.on("tlsClientError", () => {});
    const port = await listen(server);
    t.after(() => server.close());
    return diagnose(t, `https://localhost:${port}`, { ...quick, ca, ...settings });
  };
  let stage = assertFails(await at(certs.options("server"), { ca: certs.file("other.pem") }), "tls", "tls-unknown-ca", 2);
  assert.match(stage.reason, /"ca"/);
  assert.equal(stage.facts.chain[0].subject, "server", "the chain is told although it is refused");
  stage = assertFails(await at(certs.options("elsewhere")), "tls", "tls-wrong-name", 2);
  assert.match(stage.reason, /elsewhere\.example.*localhost/);
  assertFails(await at({ key: readFileSync(certs.file("ca.key")), cert: readFileSync(ca) }, { ca: certs.file("other.pem") }), "tls", "tls-self-signed", 2);
  stage = assertFails(await at(certs.options("server"), { pin: certs.pin("client") }), "tls", "tls-pin", 2);
  assert.ok(stage.reason.includes(certs.pin("server")));
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"]) {
    const strict = { ...certs.options("server"), ca: certs.ca(), requestCert: true, rejectUnauthorized: true, maxVersion };
    assertFails(await at(strict), "tls", "tls-client-certificate", 2);
  }
  const plain = await tcp(t, (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  assertFails(await diagnose(t, plain.replace("http:", "https:"), quick), "tls", "tls-not-spoken", 2);
  // And the other way round.
  const server = tls.createServer(certs.options("server"));
  server.on("tlsClientError", () => {});
  const port = await listen(server);
  t.after(() => server.close());
  const report = await diagnose(t, `http://127.0.0.1:${port}`, quick);
  assert.equal(report.culprit, "http");
  assert.match(report.stages.http.code, /http-(speaks-tls|hung-up|not-http)/);
  assert.match(report.fix, /https/);
});

test("an expired certificate, and one that is not valid yet", async (t) => {
  const certs = certificates(t);
  const run = async (options, settings) => {
    const peer = await Peer.start(t, {}, { tls: options });
    return diagnose(t, peer.url, { ...quick, ca: certs.file("ca.pem"), ...settings });
  };
  const old = certs.dated("old", "20190101000000Z", "20200102000000Z");
  const stage = assertFails(await run(old), "tls", "tls-expired", 2);
  assert.match(stage.reason, /2020-01-02/);
  assert.ok(stage.facts.days_left < -1000);
  assertFails(await run(certs.dated("young", "20400101000000Z", "20410101000000Z")), "tls", "tls-not-yet-valid", 2);
  assertWarns(await run(old, { insecure: true }), "tls", "tls-expired-unchecked");
});

test("HTTP: 502, 503 and 429 with Retry-After, 401, 403, 404, redirect, no upgrade", async (t) => {
  const cases = [
    [status("502 Bad Gateway", "Server: nginx\r\n"), "http-502", 2, /nginx.*502/],
    [status("503 Service Unavailable", "Retry-After: 30\r\n"), "http-503", 2, /30 s/],
    [status("504 Gateway Timeout"), "http-504", 2, /504/],
    [status("429 Too Many Requests", "Retry-After: 600\r\n"), "http-429", 2, /10 min/],
    [status("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"\r\n'), "http-401", 3, /Basic/],
    [status("403 Forbidden"), "http-forbidden", 3, /403/],
    [status("404 Not Found"), "http-404", 2, /socket\.io/],
    [status("301 Moved Permanently", "Location: https://elsewhere.example/x\r\n"), "http-redirect", 2, /elsewhere\.example/],
    [status("200 OK", "Content-Type: text/html\r\n", "<html>welcome</html>"), "http-no-websocket", 3, /no WebSocket/],
    [status("400 Bad Request", "", '{"code":3,"message":"Bad request"}'), "http-upgrade-stripped", 3, /Upgrade/],
    [status("400 Bad Request", "", '{"code":5,"message":"Unsupported protocol version"}'), "engineio-version", 3, /Engine\.IO 4/],
    [status("426 Upgrade Required"), "http-upgrade-stripped", 3, /Upgrade/],
    ["HTTP/1.1 101 Switching Protocols\r\n\r\n", "http-upgrade-stripped", 3, /missing/],
    [status("200 OK", "", `96:${open}`), "http-upgrade-stripped", 3, /Upgrade/],
    ["SSH-2.0-OpenSSH_9.2\r\n", "http-not-http", 3, /no HTTP server/],
    ["", "http-hung-up", 2, /hung up/],
  ];
  for (const [answer, code, exit, reason] of cases) {
    const report = await diagnose(t, await answering(t, answer), quick);
    assert.match(assertFails(report, "http", code, exit).reason, reason);
  }
  const dated = status("503 Unavailable", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:51:37 GMT\r\n");
  assert.equal((await diagnose(t, await answering(t, dated), quick)).stages.http.facts.retry_after_s, 120);
});

// A reverse proxy that forwards requests but no Upgrade header, in front of a real server.
test("the Upgrade header is stripped on the way; long-polling works", async (t) => {
  const peer = await Peer.start(t);
  const url = await tcp(t, (client) => {
    const upstream = net.connect(peer.port, "127.0.0.1");
    client.once("data", (head) => {
      upstream.write(head.toString().replace(/Upgrade: websocket\r\n/i, "").replace(/Connection: Upgrade/i, "Connection: close"));
      client.pipe(upstream);
    });
    upstream.pipe(client);
    upstream.on("error", () => client.destroy());
    client.on("close", () => upstream.destroy());
  });
  const report = await diagnose(t, url, { stage_timeout: 2000 });
  assertFails(report, "http", "http-upgrade-stripped", 3);
  assert.equal(report.stages.polling.status, "ok", JSON.stringify(report.stages.polling));
});

test("Engine.IO 3, or something else than Engine.IO", async (t) => {
  const v3 = await websocket(t, '0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":5000}', (socket) => socket.write(frame("40")));
  assertFails(await diagnose(t, v3, quick), "auth", "engineio-version", 3);
  const early = await tcp(t, (socket) => socket.once("data", (request) => {
    // Socket.IO 2 connects by itself, before it is asked; its long-polling has lengths in front.
    if (/transport=polling/.test(request)) return socket.end(status("200 OK", "", `${open.length}:${open}2:40`));
    socket.write(Buffer.concat([Buffer.from(upgraded(request.toString())), frame(open), frame("40")]));
  }));
  const report = await diagnose(t, early, { stage_timeout: 1000 });
  assertFails(report, "auth", "engineio-version", 3);
  assertWarns(report, "polling", "engineio-version");
  assertFails(await diagnose(t, await websocket(t, "hello"), quick), "engineio", "engineio-not-spoken", 3);
  assertFails(await diagnose(t, await websocket(t, "0{}"), quick), "engineio", "engineio-bad-handshake", 3);
});

test("tokens: none, bad, expired, not valid yet, another key, white space, not a token", async (t) => {
  const server = await AivoServer.start(t);
  const run = (auth, settings = {}) => diagnose(t, server.url, { ...quick, stage_timeout: 2000, ...(auth ? { auth } : {}), ...settings });
  const bearer = (...args) => ({ token: token(...args), learnerId: "L1" });
  const fails = async (auth, code, reason) => {
    const stage = assertFails(await run(auth), "auth", code, 3);
    assert.match(stage.reason, reason);
  };
  await fails(null, "credentials-missing", /none were given.*required/);
  await fails({ learnerId: "L1" }, "credentials-missing", /no token/);
  await fails(bearer({}, { expiresIn: "-2h" }), "token-expired", /expired 2 h|expired 120 min/);
  await fails(bearer({}, { notBefore: "1h" }), "token-not-yet-valid", /60 min/);
  await fails(bearer({}, { expiresIn: "1h" }, `${secret}!`), "token-refused", /in date/);
  await fails({ token: jwt.sign({ userId: "x" }, null, { algorithm: "none" }) }, "token-unsigned", /not signed/);
  await fails({ token: `"${token()}"\n` }, "token-malformed", /white space or quotes/);
  await fails({ token: "abc" }, "token-malformed", /form/);
  const soon = await run(bearer({}, { expiresIn: "100s" }));
  assertWarns(soon, "auth", "token-expires-soon");
  assert.equal(soon.exit_code, 0);
});

// The server's clock is an hour ahead: a token that is in date here has expired there.
test("clocks that differ", async (t) => {
  const ahead = new Date(Date.now() + 3600e3).toUTCString();
  const server = await tcp(t, (socket) => socket.once("data", (request) => {
    if (/transport=polling/.test(request)) return socket.end(status("200 OK", `Date: ${ahead}\r\n`, open));
    socket.write(Buffer.concat([Buffer.from(upgraded(request.toString())), frame(open)]));
    socket.once("data", () => socket.write(frame('44{"message":"jwt expired"}')));
  }));
  const report = await diagnose(t, server, { stage_timeout: 1000, sticky: 0, auth: { token: token({}, { expiresIn: "10m" }) } });
  const stage = assertFails(report, "auth", "clock-skew", 3);
  assert.ok(Math.abs(stage.facts.clock_skew_s - 3600) < 3);
  assert.match(stage.reason, /60 min ahead/);
});

test("a namespace that is not there, a connection that is refused, one that is ended", async (t) => {
  const peer = await Peer.start(t);
  assertFails(await diagnose(t, peer.url, { ...quick, stage_timeout: 2000, nsp: "/nowhere" }), "auth", "namespace-unknown", 3);
  peer.io.of("/full").use((socket, next) => next(new Error("house full")));
  const stage = assertFails(await diagnose(t, peer.url, { ...quick, stage_timeout: 2000, nsp: "/full" }), "auth", "connect-refused", 3);
  assert.match(stage.reason, /house full/);
  const cut = await websocket(t, open, (socket) => socket.end(Buffer.from([0x88, 0x02, 0x03, 0xf0])));
  assert.match(assertFails(await diagnose(t, cut, quick), "auth", "connect-closed", 3).reason, /1008/);
  const leave = await websocket(t, open, (socket) => socket.write(frame("41")));
  assertFails(await diagnose(t, leave, quick), "auth", "connect-disconnected", 3);
});

test("a server that hangs: at TLS, upgrade, handshake, CONNECT, PING", async (t) => {
  const silent = await tcp(t, (socket) => socket.on("data", () => {}));
  const hangs = async (url, stage, code, settings = {}) => {
    const report = await diagnose(t, url, { ...quick, stage_timeout: 300, ...settings });
    assertFails(report, stage, code, 2);
    assert.ok(report.stages[stage].time_ms < 3000, `${report.stages[stage].time_ms} ms`);
  };
  await hangs(silent, "http", "http-timeout");
  await hangs(silent, "http", "http-timeout", { polling: true });
  await hangs(silent.replace("http:", "https:"), "tls", "tls-timeout");
  await hangs("http://service.example", "proxy", "proxy-timeout", { proxy: silent });
  await hangs(await websocket(t, null), "engineio", "engineio-timeout");
  await hangs(await websocket(t, open), "auth", "connect-timeout");
  await hangs(await websocket(t, open, (socket) => socket.write(frame('40{"sid":"s"}'))), "probes", "probes-unanswered");
  const gone = await websocket(t, open, (socket) => {
    socket.write(frame('40{"sid":"s"}'));
    socket.end();
  });
  await hangs(gone, "probes", "connection-lost");
});

test("the whole has a bound as well", async (t) => {
  const silent = await tcp(t, (socket) => socket.on("data", () => {}));
  const report = await diagnose(t, silent, { stage_timeout: 5000, total_timeout: 300 });
  assert.ok(report.duration_ms < 1500, `${report.duration_ms} ms`);
  assert.equal(report.cancelled, true);
  assert.equal(report.exit_code, 2);
  assert.equal(report.stages.tcp.status, "ok");
  assert.equal(report.stages.http.code, "cancelled");
});

// A program may go by the codes and facts: each is in the document.
test("every code and every fact is documented", () => {
  const top = new URL("../../", import.meta.url);
  const text = readFileSync(new URL("docs/diagnose.md", top), "utf8");
  const folder = new URL("sdk/src/diag/", top);
  const codes = new Set();
  for (const file of readdirSync(folder).filter((name) => name.startsWith("judge")))
    for (const call of readFileSync(new URL(file, folder), "utf8").split(/diag_(?:warn|fail)\(/).slice(1)) {
      const [code, ...more] = [...call.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1]);
      codes.add(code);
      if (/^[a-z]+(-[a-z]+)+$/.test(more[0])) codes.add(more[0]); // one of two
    }
  assert.ok(codes.size > 90, `${codes.size} codes`);
  for (const code of codes) assert.ok(text.includes(`| \`${code}\` |`), code);
  const facts = [...readFileSync(new URL("explain.c", folder), "utf8").matchAll(/^ {4}\{[A-Z]+,\s*(NULL|"(\w+)"),\s*"(\w+)",/gm)];
  assert.ok(facts.length > 100, `${facts.length} facts`);
  for (const [, , list, key] of facts) assert.ok(text.includes(`| \`${list ? `${list}[].` : ""}${key}\` |`), key);
});
