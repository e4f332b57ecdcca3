// socket.io-client against aivo-server's limits: what applications see of them, and of a token's or the server's end.
import assert from "node:assert/strict";
import test from "node:test";
import { AivoServer, client, connected, event, request } from "./lib/aivo-server.mjs";
import { token } from "./lib/peers.mjs";
import { sleep, slow, until } from "./lib/process.mjs";

const start = { action: "start_session" };
const ask = (socket) => socket.timeout(5000 * slow).emitWithAck("agent:learning", start);

test("a user's two connections share one bucket, and another user has his own", async (t) => {
  const server = await AivoServer.start(t, { RATE_LIMIT_USER_PER_MINUTE: "6", RATE_LIMIT_USER_BURST: "2" });
  const [one, two] = [await connected(t, server.url), await connected(t, server.url, { transports: ["polling"] })];
  const other = await connected(t, server.url, { auth: { token: token({ userId: "somebody else" }), learnerId: "L1" } });
  assert.equal((await ask(one)).success, true);
  assert.equal((await ask(two)).success, true);
  const refused = await ask(one);
  assert.equal(refused.error, "Rate limit exceeded. Please slow down.");
  assert.equal(refused.rateLimited, true);
  assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= 10000, String(refused.retryAfterMs));
  assert.equal((await ask(other)).success, true);
  await until(() => /event=rate_limit address=127\.0\.0\.1 user=\S+ reason=user/.test(server.stderr), "the security log");
});

test("behind a trusted proxy each client is an address of its own", async (t) => {
  const server = await AivoServer.start(t, { TRUSTED_PROXIES: "127.0.0.1", MAX_CONNECTIONS_PER_ADDRESS: "1" });
  const from = (address) => ({ transports: ["websocket"], extraHeaders: { "X-Forwarded-For": `1.2.3.4, ${address}` } });
  await connected(t, server.url, from("203.0.113.1"));
  await connected(t, server.url, from("203.0.113.2"));
  const error = await event(client(t, server.url, from("203.0.113.1")), "connect_error");
  assert.match(error.description.message, /429/);
  const answer = await request(`${server.url}/socket.io/?EIO=4&transport=polling`, { headers: { "X-Forwarded-For": "203.0.113.2" } });
  assert.equal(answer.status, 429);
  assert.ok(Number(answer.headers["retry-after"]) > 0);
  assert.match(server.stderr, /event=connection_limit address=203\.0\.113\.1/);
});

for (const transports of [["websocket"], ["polling"]]) {
  test(`a session ends with its token: an event says so, then the server disconnects (${transports})`, async (t) => {
    const server = await AivoServer.start(t);
    const exp = Math.floor(Date.now() / 1000) - 60 + 3; // 60 s of leeway
    const socket = await connected(t, server.url, { transports, auth: { token: token({ exp }, {}), learnerId: "L1" } });
    const lasting = await connected(t, server.url, { transports });
    const [reason, told] = await Promise.all([event(socket, "disconnect", 8000), event(socket, "session:expired", 8000)]);
    assert.equal(reason, "io server disconnect");
    assert.deepEqual(told, { reason: "token expired" });
    assert.equal((await ask(lasting)).success, true);
    assert.equal(await server.metric('websocket_disconnections_total{reason="server namespace disconnect"}'), 1);
    assert.match(server.stderr, /event=token_expired/);
  });
}

test("SIGTERM: clients hear when to come back and go one after the other; work is finished; exit 0", async (t) => {
  const server = await AivoServer.start(t);
  const gone = [];
  const sockets = [];
  for (let i = 0; i < 60; i++) {
    const socket = await connected(t, server.url, { transports: [i % 3 ? "websocket" : "polling"] });
    const entry = {};
    socket.once("server:draining", ({ reconnectAfterMs }) => (entry.hint = reconnectAfterMs));
    socket.once("disconnect", (reason) => (gone.push(i), Object.assign(entry, { reason, at: Date.now() })));
    sockets.push(entry);
  }
  const began = Date.now();
  const ended = server.kill("SIGTERM");
  assert.equal((await ended).code, 0);
  assert.ok(Date.now() - began < 10000 * slow);
  await until(() => gone.length === 60, "all are gone");
  const hints = sockets.map((entry) => entry.hint);
  assert.deepEqual(hints, [...hints].sort((a, b) => a - b));
  assert.equal(hints[0], 0);
  assert.ok(hints[59] >= 250, String(hints[59]));
  const times = sockets.map((entry) => entry.at - began).sort((a, b) => a - b);
  assert.ok(times[59] - times[0] >= 200, `all went within ${times[59] - times[0]} ms`);
  for (const { reason } of sockets) assert.ok(["transport close", "transport error"].includes(reason), reason);
});

test("a learnerId that is too long is refused, not replaced", async (t) => {
  const server = await AivoServer.start(t);
  const error = await event(client(t, server.url, { auth: { token: token(), learnerId: "x".repeat(128) } }), "connect_error");
  assert.equal(error.message, "Invalid learnerId: a text of at most 127 bytes");
});

test("process metrics are in both formats", async (t) => {
  const server = await AivoServer.start(t);
  assert.ok((await server.metric("process_resident_memory_bytes")) > 1e6);
  assert.ok((await server.metric("process_open_fds")) > 5);
  assert.ok(Math.abs((await server.metric("process_start_time_seconds")) - Date.now() / 1000) < 60 * slow);
  await sleep(600);
  assert.ok((await server.metric("event_loop_lag_seconds_count")) >= 1);
  const json = await (await fetch(`${server.url}/metrics`)).json();
  assert.ok(json.process.residentBytes > 1e6 && json.process.cpuSeconds >= 0 && json.eventLoopLagMs.count >= 1);
});
