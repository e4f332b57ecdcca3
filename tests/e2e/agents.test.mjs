// aivo-server with an outside agent: a plain node:http server that answers well, late, wrongly or not at all.
import assert from "node:assert/strict";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import test from "node:test";
import { AivoServer, connected, event } from "./lib/aivo-server.mjs";
import { certificates } from "./lib/certificates.mjs";
import { listen, token } from "./lib/peers.mjs";
import { sleep, slow, until } from "./lib/process.mjs";
import { is, RedisServer } from "./lib/redis.mjs";

const ask = (socket, name, ...args) => socket.timeout(15000 * slow).emitWithAck(name, ...args);

// Every request is kept in `requests`; `answer(request, response, body)` may be replaced at any time.
class Agent {
  static async start(t, { port = 0, tls = null } = {}) {
    const agent = new Agent();
    agent.requests = [];
    agent.sockets = new Set();
    agent.accepted = agent.now = agent.most = 0;
    agent.answer = (request, response) => agent.json(response, { success: true, result: request.body.event });
    const handler = (request, response) => {
      const parts = [];
      agent.most = Math.max(agent.most, ++agent.now);
      response.on("close", () => agent.now--);
      request.on("data", (part) => parts.push(part));
      request.on("end", () => {
        const text = Buffer.concat(parts).toString();
        agent.requests.push({ method: request.method, url: request.url, headers: request.headers, text });
        agent.answer({ body: JSON.parse(text), number: agent.requests.length }, response);
      });
    };
    agent.server = tls ? https.createServer(tls, handler) : http.createServer(handler);
    agent.server.on("connection", (socket) => {
      agent.accepted++;
      agent.sockets.add(socket);
      socket.on("close", () => agent.sockets.delete(socket));
    });
    agent.port = await listen(agent.server, port);
    agent.url = `${tls ? "https" : "http"}://127.0.0.1:${agent.port}/events?key=not-for-the-log`;
    t.after(() => agent.stop());
    return agent;
  }

  json(response, value, status = 200) {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(value));
  }

  stop() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

const served = (t, agent, env = {}) =>
  AivoServer.start(t, { AGENT_URL: agent.url, RATE_LIMIT_MAX_MESSAGES: "0", ...env });

test("an event becomes a POST of the five members, and the JSON answer is the acknowledgement", async (t) => {
  const agent = await Agent.start(t);
  const server = await served(t, agent, { AGENT_TOKEN: "agents-secret-token" });
  const socket = await connected(t, server.url);
  assert.deepEqual(await ask(socket, "agent:tutor", { input: "wh\u00fd?", n: 1e300 }), { success: true, result: "agent:tutor" });
  const [{ method, url, headers, text }] = agent.requests;
  assert.equal(method, "POST");
  assert.equal(url, "/events?key=not-for-the-log");
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers.authorization, "Bearer agents-secret-token");
  assert.equal(headers.expect, undefined);
  assert.deepEqual(JSON.parse(text), {
    event: "agent:tutor", data: { input: "wh\u00fd?", n: 1e300 }, learnerId: "L1", userId: "learner-1", socketId: socket.id,
  });
  await ask(socket, "agent:learning");
  assert.equal(JSON.parse(agent.requests[1].text).data, null);
  for (const value of [7, "text", null, [1, [2]], { deep: [{}] }]) {
    agent.answer = (request, response) => agent.json(response, value);
    assert.deepEqual(await ask(socket, "agent:learning", { action: "x" }), value);
  }
  assert.equal(agent.accepted, 1, "one connection serves all requests");
  const before = agent.requests.length;
  await ask(socket, "quality_ping", { pingId: "p" });
  assert.equal(agent.requests.length, before, "quality_ping is answered here");
  assert.equal(await server.metric('websocket_errors_total{type="agent_error"}') || 0, 0);
});

test("audio arrives as base64, whatever it was sent as, and without an id nothing is answered", async (t) => {
  const agent = await Agent.start(t);
  const server = await served(t, agent);
  const socket = await connected(t, server.url, { transports: ["websocket"] });
  const audio = Buffer.from(Array.from({ length: 100000 }, (_, i) => i & 255));
  const extra = Buffer.from([0xfb, 0xff]);
  await ask(socket, "agent:speech", { more: [{ extra }], audioBuffer: audio, targetText: "cat", sampleRate: 16000 });
  const { data } = JSON.parse(agent.requests[0].text);
  assert.equal(data.audioBuffer, audio.toString("base64"));
  assert.deepEqual(data, { more: [{ extra: "+/8=" }], audioBuffer: data.audioBuffer, targetText: "cat", sampleRate: 16000 });
  socket.emit("agent:tutor", { input: "no id" });
  await until(() => agent.requests.length === 2, "the event without an id");
  await ask(socket, "agent:tutor", { input: "goes on" });
});

test("start_session counts a session if the agent says success", async (t) => {
  const agent = await Agent.start(t);
  const server = await served(t, agent);
  const socket = await connected(t, server.url);
  agent.answer = (request, response) => agent.json(response, { success: false });
  await ask(socket, "agent:learning", { action: "start_session" });
  assert.equal(await server.metric("websocket_active_sessions"), 0);
  agent.answer = (request, response) => agent.json(response, { success: true });
  await ask(socket, "agent:learning", { action: "start_session" });
  await ask(socket, "agent:learning", { action: "start_session" });
  assert.equal(await server.metric("websocket_active_sessions"), 1);
  socket.close();
  await until(async () => (await server.metric("websocket_active_sessions")) === 0, "the session's end");
});

test("an agent that fails: {error}, counted, without a word of its own, and the next event is tried anew", async (t) => {
  const agent = await Agent.start(t);
  const server = await served(t, agent, { AGENT_TIMEOUT_MS: String(400 * slow), MAX_PAYLOAD_BYTES: "100000" });
  const socket = await connected(t, server.url);
  const raw = (text, status = 200, headers = {}) => (request, response) => response.writeHead(status, headers).end(text);
  const cases = [
    ["Agent failed", (request, response) => agent.json(response, { error: "inner detail" }, 500)],
    ["Agent failed", raw("", 204)],
    ["Agent failed", raw("{}", 302, { location: agent.url })],
    ["Agent failed", raw("<html>")],
    ["Agent failed", raw('{"a":1')],
    ["Agent failed", raw('{"a":1} {"b":2}')],
    ["Agent failed", raw(Buffer.from([0x22, 0xff, 0x22]))],
    ["Agent failed", raw(`"${"x".repeat(200000)}"`)],
    ["Agent failed", (request, response) => (response.write('"'), response.end("x".repeat(300000)))],
    ["Agent failed", raw("1", 200, { "x-long": "h".repeat(14000), ...Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`x-${i}`, "h".repeat(14000)])) })],
    ["Agent failed", (request, response) => response.destroy()],
    ["Agent failed", (request, response) => (response.writeHead(200, { "content-length": 10 }), response.write("12"), setTimeout(() => response.destroy(), 20))],
    ["Agent did not answer in time", () => {}],
    ["Agent did not answer in time", (request, response) => {
      const timer = setInterval(() => response.write(" "), 50); // never stands still, never ends
      response.on("close", () => clearInterval(timer));
    }],
  ];
  for (const [i, [error, answer]] of cases.entries()) {
    agent.answer = answer;
    assert.deepEqual(await ask(socket, "agent:tutor", { input: i }), { error }, `case ${i}`);
    assert.equal(await server.metric('websocket_errors_total{type="agent_error"}'), i + 1);
    assert.equal(agent.requests.length, i + 1, `case ${i} was sent once`);
  }
  agent.answer = (request, response) => agent.json(response, { success: true });
  assert.deepEqual(await ask(socket, "agent:tutor", { input: "again" }), { success: true });
  await until(() => /agent failed/.test(server.stderr), "a line in the log");
  assert.doesNotMatch(server.stderr, /not-for-the-log|inner detail/);
  assert.ok(server.stderr.split("\n").filter((line) => /agent failed/.test(line)).length <= 10, "at most ten lines a minute");
});

test("a kept connection that dies with a request is not used to send it a second time", async (t) => {
  const agent = await Agent.start(t);
  const server = await served(t, agent);
  const socket = await connected(t, server.url);
  assert.equal((await ask(socket, "agent:tutor", { input: 1 })).success, true);
  agent.answer = (request, response) => response.socket.destroy();
  assert.deepEqual(await ask(socket, "agent:tutor", { input: 2 }), { error: "Agent failed" });
  assert.equal(agent.requests.length, 2);
  // One that was closed while nobody used it is replaced in silence.
  agent.answer = (request, response) => agent.json(response, { success: true });
  await ask(socket, "agent:tutor", { input: 3 });
  for (const kept of agent.sockets) kept.destroy();
  await sleep(50);
  assert.equal((await ask(socket, "agent:tutor", { input: 4 })).success, true);
  assert.equal(agent.requests.length, 4);
});

test("nobody listens: tried four times, then an error; who begins to listen meanwhile gets the event", async (t) => {
  const blocker = net.createServer();
  const port = await listen(blocker);
  await new Promise((resolve) => blocker.close(resolve));
  const server = await served(t, { url: `http://127.0.0.1:${port}/` });
  const socket = await connected(t, server.url);
  const began = Date.now();
  assert.deepEqual(await ask(socket, "agent:tutor", { input: 1 }), { error: "Agent cannot be reached" });
  assert.ok(Date.now() - began >= 650, "100 + 200 + 400 ms between the attempts");
  const answer = ask(socket, "agent:tutor", { input: 2 });
  await sleep(150);
  const agent = await Agent.start(t, { port });
  assert.equal((await answer).success, true);
  assert.equal(agent.requests.length, 1);
  assert.equal(await server.metric('websocket_errors_total{type="agent_error"}'), 1);
});

test("a thousand at once: never more than the bound in flight, all answered; over the line's end refused", async (t) => {
  const agent = await Agent.start(t);
  agent.answer = (request, response) => setTimeout(() => agent.json(response, { n: request.body.data.input }), 10);
  const server = await served(t, agent, { AGENT_MAX_IN_FLIGHT: "16", AGENT_TIMEOUT_MS: "60000" });
  const socket = await connected(t, server.url, { transports: ["websocket"] });
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, input) => ask(socket, "agent:tutor", { input })));
  answers.forEach((answer, n) => assert.deepEqual(answer, { n }));
  assert.ok(agent.most <= 16 && agent.most > 8, `${agent.most} in flight`);
  assert.ok(agent.accepted <= 16 && agent.requests.length === 1000);

  agent.answer = (request, response) => setTimeout(() => agent.json(response, { n: request.body.data.input }), 300 * slow);
  const small = await served(t, agent, { AGENT_MAX_IN_FLIGHT: "2", AGENT_MAX_WAITING: "3" });
  const other = await connected(t, small.url, { transports: ["websocket"] });
  const all = Promise.all(Array.from({ length: 20 }, (_, input) => ask(other, "agent:tutor", { input })));
  const gauges = async () => [await small.metric("aivo_agent_calls_in_flight"), await small.metric("aivo_agent_calls_waiting")].join();
  await until(async () => (await gauges()) === "2,3", "two in flight, three in line");
  assert.deepEqual((await (await fetch(`${small.url}/metrics`)).json()).agentCalls, { inFlight: 2, waiting: 3 });
  const mixed = await all;
  assert.equal(await gauges(), "0,0");
  const busy = mixed.filter((answer) => answer.error === "Agent is busy").length;
  assert.equal(busy, 15, "two in flight, three in line");
  assert.equal(mixed.length - busy, mixed.filter((answer) => "n" in answer).length);
});

test("a slow agent delays nobody else; who leaves meanwhile does no harm; a repeat gets the first one's answer", async (t) => {
  const agent = await Agent.start(t);
  let release;
  agent.answer = (request, response) => (release = () => agent.json(response, { n: request.number }));
  const server = await served(t, agent);
  const first = await connected(t, server.url, { transports: ["websocket"] });
  first.emit("agent:tutor", { input: "x", messageId: "m-1" }, () => {});
  await until(() => release, "the request");
  const second = await connected(t, server.url, { transports: ["websocket"] });
  const began = Date.now();
  await ask(second, "quality_ping", { pingId: 1 });
  assert.ok(Date.now() - began < 1000 * slow);
  first.disconnect();
  await until(async () => (await server.metric("websocket_connections_total")) === 1, "the first one's end");
  const repeat = ask(second, "agent:tutor", { input: "x", messageId: "m-1" });
  await ask(second, "quality_ping", { pingId: 2 });
  release();
  assert.deepEqual(await repeat, { n: 1 });
  assert.deepEqual(await ask(second, "agent:tutor", { input: "x", messageId: "m-1" }), { n: 1 });
  assert.equal(agent.requests.length, 1);
  // A failure is not remembered: the next repeat is handled anew.
  agent.answer = (request, response) => agent.json(response, {}, 503);
  assert.deepEqual(await ask(second, "agent:tutor", { messageId: "m-2" }), { error: "Agent failed" });
  agent.answer = (request, response) => agent.json(response, { n: "anew" });
  assert.deepEqual(await ask(second, "agent:tutor", { messageId: "m-2" }), { n: "anew" });
});

test("two instances with Redis: a repeat at the other one waits for the first one's answer, the agent is asked once", async (t) => {
  const agent = await Agent.start(t);
  const redis = await RedisServer.start(t);
  let release;
  agent.answer = (request, response) => (release = () => agent.json(response, { n: request.number }));
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port) };
  const [one, two] = await Promise.all([served(t, agent, env), served(t, agent, env)]);
  await Promise.all([is(one, 1), is(two, 1)]);
  const [a, b] = await Promise.all([one, two].map((server) => connected(t, server.url, { transports: ["websocket"] })));
  const answers = [ask(a, "agent:tutor", { input: "x", messageId: "m" })];
  await until(() => release, "the request");
  answers.push(ask(b, "agent:tutor", { input: "x", messageId: "m" }));
  await sleep(100);
  release();
  assert.deepEqual(await Promise.all(answers), [{ n: 1 }, { n: 1 }]);
  assert.equal(agent.requests.length, 1);
});

test("the agent is killed with requests in flight, and comes back", async (t) => {
  const agent = await Agent.start(t);
  agent.answer = () => {};
  const server = await served(t, agent, { AGENT_MAX_IN_FLIGHT: "4" });
  const socket = await connected(t, server.url, { transports: ["websocket"] });
  const answers = Array.from({ length: 12 }, (_, input) => ask(socket, "agent:tutor", { input }));
  await until(() => agent.requests.length === 4, "four in flight");
  agent.stop();
  const results = await Promise.all(answers);
  assert.equal(results.filter((answer) => answer.error === "Agent failed").length, 4);
  assert.equal(results.filter((answer) => answer.error === "Agent cannot be reached").length, 8);
  await Agent.start(t, { port: agent.port });
  assert.equal((await ask(socket, "agent:tutor", { input: "back" })).success, true);
});

test("SIGTERM waits for what is with the agent", async (t) => {
  const agent = await Agent.start(t);
  agent.answer = (request, response) => setTimeout(() => agent.json(response, { late: true }), 600);
  const server = await served(t, agent);
  const socket = await connected(t, server.url, { transports: ["websocket"] });
  const answer = ask(socket, "agent:tutor", { input: 1 });
  await until(() => agent.requests.length === 1, "the request");
  server.askToEnd();
  assert.deepEqual(await answer, { late: true });
  assert.equal((await server.exit).code, 0);
});

test("a second SIGTERM ends it at once, with requests in flight and in line", async (t) => {
  const agent = await Agent.start(t);
  agent.answer = () => {};
  const server = await served(t, agent, { AGENT_MAX_IN_FLIGHT: "2" });
  const socket = await connected(t, server.url, { transports: ["websocket"] });
  for (let i = 0; i < 5; i++) socket.emit("agent:tutor", { input: i, messageId: `m${i}` });
  await until(() => agent.requests.length === 2, "two in flight");
  server.askToEnd();
  await sleep(100);
  server.askToEnd();
  assert.equal((await server.exit).code, 0); // and no leak, under a sanitizer
});

test("https: the certificate must be of a known authority and for this host", async (t) => {
  const made = certificates(t);
  for (const [name, ca, good] of [["server", "ca", true], ["server", "other", false], ["server", null, false], ["elsewhere", "ca", false]]) {
    const agent = await Agent.start(t, { tls: made.options(name) });
    const server = await served(t, agent, ca ? { AGENT_CA_PATH: made.file(`${ca}.pem`) } : {});
    const socket = await connected(t, server.url, { transports: ["websocket"] });
    const answer = await ask(socket, "agent:tutor", { input: 1 });
    assert.deepEqual(answer, good ? { success: true, result: "agent:tutor" } : { error: "Agent cannot be reached" }, `${name} ${ca}`);
    assert.equal(agent.requests.length, good ? 1 : 0);
  }
});

test("a name that takes long to fail, or does not exist, delays nobody else", async (t) => {
  const server = await served(t, { url: "http://no-such-agent.invalid/" }, { AGENT_TIMEOUT_MS: "3000" });
  const socket = await connected(t, server.url, { transports: ["websocket"] });
  const answer = ask(socket, "agent:tutor", { input: 1 });
  const began = Date.now();
  await ask(socket, "quality_ping", { pingId: 1 });
  assert.ok(Date.now() - began < 1000 * slow);
  assert.match((await answer).error, /cannot be reached|in time/);
});

test("settings that cannot be used stop the start, and secrets are not printed", async (t) => {
  for (const [env, expected] of [
    [{ AGENT_URL: "ftp://agents.example.com/" }, /AGENT_URL: only http and https/],
    [{ AGENT_URL: "http://user:pass@127.0.0.1/" }, /AGENT_URL: no user or password/],
    [{ AGENT_URL: "not a url" }, /AGENT_URL: this is no URL/],
    [{ AGENT_URL: "http://127.0.0.1/", AGENT_TOKEN: "a b" }, /AGENT_TOKEN: only visible ASCII/],
    [{ AGENT_URL: "https://127.0.0.1/", AGENT_CA_PATH: "/no/such/file" }, /AGENT_CA_PATH: \/no\/such\/file/],
    [{ AGENT_URL: "http://127.0.0.1/", AGENT_MAX_IN_FLIGHT: "0" }, /AGENT_MAX_IN_FLIGHT: '0' is not a number of 1\.\.1024/],
  ])
    await assert.rejects(AivoServer.start(t, env, [], { expectExit: 78 }), (error) => expected.test(error.message) && !/pass@/.test(error.message));
  const env = { AGENT_URL: "http://agents.example.com/x?key=hidden", AGENT_TOKEN: "hidden-too" };
  const { Child, programs } = await import("./lib/process.mjs");
  const check = new Child(t, programs.server, ["--check"], { env: { PORT: "0", ...env } });
  await check.exit;
  const printed = check.lines.join("\n");
  assert.match(printed, /^AGENT_URL=http:\/\/agents.example.com\/x\?\*{8}/m);
  assert.match(printed, /^AGENT_TOKEN=\*{8}/m);
  assert.doesNotMatch(printed + check.stderr, /hidden/);
  assert.match(check.stderr, /AGENT_TOKEN is sent over plain http/);
});
