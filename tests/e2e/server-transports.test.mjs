// socket.io-client driving aivo-server: transports, upgrade, heartbeat, TLS.
import assert from "node:assert/strict";
import test from "node:test";
import { WebSocket } from "ws";
import { AivoServer, client, connected, event, request } from "./lib/aivo-server.mjs";
import { certificates } from "./lib/certificates.mjs";
import { sleep, slow, until } from "./lib/process.mjs";

const start = { action: "start_session" };

for (const [name, transports, final] of [
  ["polling, then the upgrade to WebSocket", ["polling", "websocket"], "websocket"],
  ["WebSocket only", ["websocket"], "websocket"],
  ["polling only", ["polling"], "polling"],
]) {
  test(name, async (t) => {
    // Connects, upgrades where it may, and 60 acks in a row are right before, during and after the upgrade.
    const server = await AivoServer.start(t);
    const socket = await connected(t, server.url, { transports });
    for (let i = 0; i < 60; i++) {
      const answer = await socket.timeout(5000 * slow).emitWithAck("agent:learning", { ...start, n: i });
      assert.deepEqual(answer, { success: true, sessionId: socket.id, agentId: "learning-L1" });
    }
    await until(() => socket.io.engine.transport.name === final, `transport ${final}`);
    const closed = event(socket, "disconnect");
    socket.disconnect();
    assert.equal(await closed, "io client disconnect");
    await until(async () => (await server.metric("websocket_connections_total")) === 0, "no connection left");
  });
}

test("emits written while the upgrade is under way all arrive, in order", async (t) => {
  const server = await AivoServer.start(t, { RATE_LIMIT_MAX_MESSAGES: "0" });
  const socket = client(t, server.url, { transports: ["polling", "websocket"] });
  const order = [];
  const wanted = [];
  await event(socket, "connect");
  for (let i = 0; i < 300; i++) {
    wanted.push(i);
    socket.emit("agent:learning", { ...start, n: i }, () => order.push(i));
    if (i % 20 === 0) await sleep(1);
  }
  await until(() => order.length === 300, "300 answers", 20000);
  assert.deepEqual(order, wanted);
  await until(() => socket.io.engine.transport.name === "websocket", "upgraded");
});

test("the heartbeat keeps a quiet connection, and a silent client is dropped", async (t) => {
  const server = await AivoServer.start(t, { PING_INTERVAL_MS: "200", PING_TIMEOUT_MS: "300" });
  const quiet = await connected(t, server.url, { transports: ["websocket"] });
  const polling = await connected(t, server.url, { transports: ["polling"] });
  const mute = await connected(t, server.url, { transports: ["websocket"] });
  mute.io.engine.transport.ws.send = () => {};
  await sleep(1200 * slow);
  assert.ok(quiet.connected && polling.connected);
  assert.equal(await server.metric('websocket_disconnections_total{reason="ping timeout"}'), 1);
});

test("a client that connects and never joins a namespace is closed after the connect time-out", async (t) => {
  const server = await AivoServer.start(t, { CONNECT_TIMEOUT_MS: "300" });
  const ws = new WebSocket(`${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  const begin = Date.now();
  await new Promise((resolve) => ws.on("close", resolve));
  assert.ok(Date.now() - begin >= 290, `${Date.now() - begin} ms`);
});

test("an oversized message closes a WebSocket with 1009 and a poll with 413", async (t) => {
  const server = await AivoServer.start(t, { MAX_PAYLOAD_BYTES: "5000" });
  const socket = await connected(t, server.url, { transports: ["websocket"] });
  const closed = new Promise((resolve) => socket.io.engine.transport.ws.addEventListener("close", (e) => resolve(e.code)));
  socket.emit("agent:learning", { pad: "x".repeat(6000) });
  assert.equal(await closed, 1009);
  const open = await request(`${server.url}/socket.io/?EIO=4&transport=polling`);
  const { sid, maxPayload } = JSON.parse(open.body.slice(1));
  assert.equal(maxPayload, 5000);
  const answer = await request(`${server.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, { method: "POST", body: "4".repeat(6000) });
  assert.equal(answer.status, 413);
});

test("over TLS, polling and WebSocket, for a client that knows the authority", async (t) => {
  const certs = certificates(t);
  const server = await AivoServer.start(t, {
    SSL_ENABLED: "true", SSL_KEY_PATH: certs.file("server.key"), SSL_CERT_PATH: certs.file("server.pem"),
  });
  assert.match(server.url, /^https:/);
  const socket = await connected(t, server.url, { ca: certs.ca(), transports: ["polling", "websocket"] });
  await until(() => socket.io.engine.transport.name === "websocket", "upgraded");
  assert.equal((await socket.timeout(5000 * slow).emitWithAck("agent:learning", start)).success, true);
  await assert.rejects(connected(t, server.url, { transports: ["websocket"] }));
});
