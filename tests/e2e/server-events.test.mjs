// socket.io-client driving aivo-server: authentication, the events of the contract, the rate limit.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test from "node:test";
import { AivoServer, client, connected, event } from "./lib/aivo-server.mjs";
import { jwt, secret, token } from "./lib/peers.mjs";
import { sleep, slow, until } from "./lib/process.mjs";

const ask = (socket, name, ...args) => socket.timeout(5000 * slow).emitWithAck(name, ...args);
const session = async (t, url, options) => {
  const socket = await connected(t, url, options);
  assert.equal((await ask(socket, "agent:learning", { action: "start_session" })).success, true);
  return socket;
};

test("without a token, and with bad ones: the original's two texts, and no connection", async (t) => {
  const server = await AivoServer.start(t);
  const none = Buffer.from(JSON.stringify({ alg: "none", typ: "JWT" })).toString("base64url");
  const body = Buffer.from(JSON.stringify({ userId: "x" })).toString("base64url");
  const required = "Authentication token required";
  const invalid = "Invalid authentication token";
  for (const [auth, message] of [
    [{}, required],
    [{ token: "" }, required],
    [{ token: "garbage" }, invalid],
    [{ token: token({}, { expiresIn: -3600 }) }, invalid],
    [{ token: token({}, {}, "another secret of enough characters") }, invalid],
    [{ token: `${none}.${body}.` }, invalid],
    [{ token: jwt.sign({ userId: "x" }, secret, { algorithm: "HS512" }) }, invalid],
    [{ token: token({}, { notBefore: 3600 }) }, invalid],
    [{ token: "x".repeat(20000) }, invalid],
  ]) {
    const socket = client(t, server.url, { auth, transports: ["websocket"] });
    const error = await event(socket, "connect_error");
    assert.equal(error.message, message, JSON.stringify(auth).slice(0, 80));
    socket.close();
  }
  assert.equal(await server.metric("websocket_connections_count"), 0);
});

test("another namespace is invalid", async (t) => {
  const server = await AivoServer.start(t);
  const socket = client(t, `${server.url}/nope`);
  assert.equal((await event(socket, "connect_error")).message, "Invalid namespace");
});

test("on connect the quality is told, and the user is userId or else sub", async (t) => {
  const server = await AivoServer.start(t);
  const socket = client(t, server.url, { auth: { token: jwt.sign({ sub: "from-sub" }, secret) } });
  const quality = await event(socket, "connection:quality");
  for (const member of ["latency", "quality", "timestamp"]) assert.ok(member in quality, member);
  const answer = await ask(socket, "agent:learning", { action: "start_session" });
  assert.equal(answer.agentId, "learning-from-sub");
  assert.equal(answer.sessionId, socket.id);
});

test("agent:learning: every action, and what is none", async (t) => {
  const server = await AivoServer.start(t);
  const socket = await session(t, server.url);
  const answer = await ask(socket, "agent:learning", { action: "process_answer", activityId: "a1", answer: "4" });
  assert.equal(answer.success, true);
  assert.ok("result" in answer);
  const more = await ask(socket, "agent:learning", { action: "get_recommendation", context: {} });
  assert.equal(more.success, true);
  assert.ok("recommendation" in more);
  assert.deepEqual(await ask(socket, "agent:learning", { action: "dance" }), { error: "Unknown action" });
  assert.equal(await server.metric('websocket_errors_total{type="unknown_action"}'), 1);
  socket.emit("agent:learning", { action: "start_session" });
  socket.emit("agent:learning");
  assert.ok("error" in (await ask(socket, "agent:learning", "no object")));
});

test("agent:tutor answers and emits tutor:message", async (t) => {
  const server = await AivoServer.start(t);
  const socket = await session(t, server.url);
  const message = event(socket, "tutor:message");
  const answer = await ask(socket, "agent:tutor", { input: "why?", currentActivity: { id: "a" }, currentQuestion: { id: "q" } });
  assert.equal(answer.success, true);
  assert.ok("result" in answer);
  assert.ok(await message);
});

test("agent:speech takes base64 and binary", async (t) => {
  const server = await AivoServer.start(t);
  const socket = await session(t, server.url, { transports: ["websocket"] });
  const audio = randomBytes(32000);
  const rest = { targetText: "the cat", taskType: "reading", childAge: 7, sampleRate: 16000 };
  const text = await ask(socket, "agent:speech", { audioBuffer: audio.toString("base64"), ...rest });
  const binary = await ask(socket, "agent:speech", { audioBuffer: audio, ...rest });
  assert.equal(text.success, true);
  assert.deepEqual(binary.result, text.result, "the same audio has the same result");
  const polling = await session(t, server.url, { transports: ["polling"] });
  assert.deepEqual((await ask(polling, "agent:speech", { audioBuffer: audio, ...rest })).success, true);
});

test("quality_ping is answered by quality_pong and by its ack, with the server's times", async (t) => {
  const server = await AivoServer.start(t);
  const socket = await connected(t, server.url);
  const pong = event(socket, "quality_pong");
  const answer = await ask(socket, "quality_ping", { pingId: "p-1" });
  assert.deepEqual(await pong, answer);
  assert.equal(answer.pingId, "p-1");
  assert.ok(Math.abs(answer.receivedAt - Date.now()) < 60000);
  assert.ok(answer.sentAt >= answer.receivedAt);
});

test("150 emits: exactly 50 are answered rateLimited, with a time to wait", async (t) => {
  const server = await AivoServer.start(t);
  const socket = await connected(t, server.url);
  const answers = await Promise.all(Array.from({ length: 150 }, () => ask(socket, "agent:learning", { action: "start_session" })));
  const limited = answers.filter((answer) => answer.rateLimited);
  assert.equal(limited.length, 50);
  assert.equal(answers.filter((answer) => answer.success).length, 100);
  for (const answer of limited) {
    assert.equal(answer.error, "Rate limit exceeded. Please slow down.");
    assert.ok(answer.retryAfterMs > 0 && answer.retryAfterMs <= 60000, String(answer.retryAfterMs));
  }
  assert.equal(await server.metric('websocket_errors_total{type="rate_limit"}'), 50);
  assert.equal(await server.metric('websocket_messages_received_total{event="agent:learning"}'), 150);
  assert.equal((await ask(socket, "quality_ping", { pingId: 1 })).pingId, 1, "pings do not count");
  socket.emit("agent:learning", { action: "start_session" });
  const other = await connected(t, server.url);
  assert.equal((await ask(other, "agent:learning", { action: "start_session" })).success, true, "it is per connection");
});

test("after retryAfterMs the next message passes", async (t) => {
  const server = await AivoServer.start(t, { RATE_LIMIT_MAX_MESSAGES: "2", RATE_LIMIT_WINDOW_MS: "500" });
  const socket = await connected(t, server.url);
  const three = await Promise.all([1, 2, 3].map(() => ask(socket, "agent:learning", { action: "start_session" })));
  assert.deepEqual(three.map((a) => Boolean(a.rateLimited)), [false, false, true]);
  await sleep(three[2].retryAfterMs + 20);
  assert.equal((await ask(socket, "agent:learning", { action: "start_session" })).success, true);
});

test("a messageId is handled once: a repeat gets the same answer, from another connection too", async (t) => {
  const server = await AivoServer.start(t);
  const socket = await session(t, server.url);
  const once = { action: "process_answer", activityId: "a", answer: "x", messageId: "m-1" };
  const first = await ask(socket, "agent:learning", once);
  assert.deepEqual(await ask(socket, "agent:learning", once), first);
  socket.close();
  const again = await connected(t, server.url);
  assert.deepEqual(await ask(again, "agent:learning", once), first);
});

test("an unknown event is counted as other and answered with an error, not with silence", async (t) => {
  const server = await AivoServer.start(t);
  const socket = await connected(t, server.url);
  socket.emit("no-such-event-1", 1);
  socket.emit("no-such-event-2", 2);
  await ask(socket, "quality_ping", { pingId: 1 });
  const text = await server.metrics();
  assert.match(text, /websocket_messages_received_total\{event="other"\} 2/);
  assert.doesNotMatch(text, /no-such-event/);
});

test("an idle agent session is ended and counted", async (t) => {
  const server = await AivoServer.start(t, { SESSION_IDLE_MS: "400" });
  const socket = await session(t, server.url);
  assert.equal(await server.metric("websocket_active_sessions"), 1);
  await until(async () => (await server.metric("websocket_active_sessions")) === 0, "the session ended", 8000);
  assert.ok(socket.connected, "the connection stays");
  assert.ok("error" in (await ask(socket, "agent:learning", { action: "process_answer", activityId: "a", answer: "1" })));
});

test("100 clients at once: each gets its own answers", async (t) => {
  const server = await AivoServer.start(t);
  const sockets = await Promise.all(Array.from({ length: 100 }, (_, i) =>
    connected(t, server.url, { transports: i % 3 ? ["websocket"] : ["polling"], auth: { token: token(), learnerId: `L${i}` } })));
  const answers = await Promise.all(sockets.map((socket) => ask(socket, "agent:learning", { action: "start_session" })));
  assert.deepEqual(answers.map((a) => a.agentId), sockets.map((_, i) => `learning-L${i}`));
  assert.deepEqual(answers.map((a) => a.sessionId), sockets.map((s) => s.id));
  assert.equal(await server.metric("websocket_active_sessions"), 100);
  for (const socket of sockets) socket.close();
  await until(async () => (await server.metric("websocket_connections_total")) === 0, "all gone");
  assert.equal(await server.metric("websocket_active_sessions"), 0);
});
