// libaivo against socket.io: what happens when the connection is lost, and when it comes back.
import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { Driver } from "./lib/driver.mjs";
import { Peer } from "./lib/peers.mjs";
import { Child, sleep, slow, temporaryFolder, until } from "./lib/process.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

test("the server restarts on the same port: the client comes back, a queued message arrives once", async (t) => {
  // Queued while nobody listened; the new server gets it exactly once and its answer ends the message.
  const folder = temporaryFolder(t);
  const first = await Peer.start(t);
  const driver = new Driver(t);
  await driver.connect({ url: first.url, queue: { path: `${folder}/queue.db` } });
  await first.crash();
  await driver.state("reconnecting");
  const { messageId } = await driver.do("send", { event: "homework", args: [{ answer: 42 }] });
  assert.equal((await driver.do("stats")).pending, 1);
  const second = await Peer.start(t, {}, { port: first.port });
  const got = [];
  second.io.on("connection", (socket) =>
    socket.on("homework", (value, ack) => {
      got.push(value);
      ack({ success: true });
    }));
  const fate = await driver.next("fate", undefined, 15000);
  assert.equal(fate.id, messageId);
  assert.equal(fate.fate, "acknowledged");
  assert.deepEqual(fate.answer, [{ success: true }]);
  await sleep(300);
  assert.equal(got.length, 1);
  assert.equal(got[0].answer, 42);
  assert.equal((await driver.do("stats")).pending, 0);
});

test("a server that shuts down in order", async (t) => {
  const first = await Peer.start(t);
  const driver = new Driver(t);
  await driver.connect({ url: first.url });
  await first.close();
  await driver.state("reconnecting");
  const second = await Peer.start(t, {}, { port: first.port });
  await driver.state("connected", 10000);
  assert.equal(second.io.engine.clientsCount, 1);
});

test("five restarts in a row leave one connection", async (t) => {
  let peer = await Peer.start(t);
  const driver = new Driver(t);
  await driver.connect({ url: peer.url });
  for (let i = 0; i < 5; i++) {
    await peer.crash();
    await driver.next("state", (e) => e.from === "connected");
    peer = await Peer.start(t, {}, { port: peer.port });
    await driver.state("connected", 10000);
  }
  assert.equal(peer.io.engine.clientsCount, 1);
  assert.equal(peer.io.sockets.sockets.size, 1);
});

test("a server that stops answering is noticed by its missing ping", async (t) => {
  // The process is stopped: TCP stays up. The client notices after pingInterval + pingTimeout (600 ms), not before,
  // and connects again once the process goes on.
  const options = { pingInterval: 300, pingTimeout: 300 };
  const server = new Child(t, "node", [path.join(here, "lib/socketio-server.mjs"), "0", JSON.stringify(options)]);
  const port = Number((await until(() => server.lines[0], "the server's port")).split(" ")[1]);
  const driver = new Driver(t);
  await driver.connect({ url: `http://127.0.0.1:${port}`, connectTimeoutMs: 1000, handshakeTimeoutMs: 500 });
  await sleep(1000);
  assert.equal((await driver.do("state")).state, "connected", "pings keep it alive");
  const begin = Date.now();
  server.process.kill("SIGSTOP");
  const event = await driver.next("state", (e) => e.from === "connected");
  server.process.kill("SIGCONT");
  assert.equal(event.error.status, "AIVO_E_HEARTBEAT");
  assert.ok(event.at - begin >= 280, `after ${event.at - begin} ms`);
  assert.ok(event.at - begin < 1200 * slow, `after ${event.at - begin} ms`);
  await driver.state("connected", 10000);
  assert.deepEqual((await driver.emitWithAck("echo", [1])).args, [1]);
});

test("state recovery: the same sid, and the missed events in order", async (t) => {
  const peer = await Peer.start(t, { connectionStateRecovery: { maxDisconnectionDuration: 60000 } });
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url, reconnect: { floorMs: 200, baseMs: 300, capMs: 400 } }, { on: ["news"] });
  const socket = await connection;
  socket.join("class");
  socket.emit("news", 0);
  assert.deepEqual((await driver.next("event")).args, [0], "the offset is not shown");
  const again = peer.connection();
  socket.conn.close();
  await driver.state("reconnecting");
  peer.io.emit("news", 1, "last");
  peer.io.to("class").emit("news", 2);
  peer.io.emit("news", Buffer.from("b"));
  const recovered = await again;
  await driver.state("connected");
  assert.equal(recovered.recovered, true);
  assert.equal(recovered.id, socket.id);
  recovered.emit("news", 4);
  await driver.next("event", (e) => e.args[0] === 4);
  const seen = driver.all("event").map((e) => [e.args, e.recovered]);
  assert.deepEqual(seen.filter(([args]) => typeof args[0] === "number"),
    [[[0], false], [[1, "last"], true], [[2], true], [[4], false]]);
});

test("state recovery: a volatile event's last string is not an offset", async (t) => {
  // Volatile events, and those that want an ack, carry no offset: their arguments stay whole, and the offset of the
  // last eligible event is still what is resumed from.
  const peer = await Peer.start(t, { connectionStateRecovery: {} });
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url, reconnect: { floorMs: 200, baseMs: 300, capMs: 400 } },
    { on: ["plain", "v", { event: "ask", answer: "echo" }] });
  const socket = await connection;
  socket.emit("plain", "text");
  assert.deepEqual(await socket.timeout(3000 * slow).emitWithAck("ask", "x"), "x");
  await sleep(50); // the transport must be writable, or the volatile event is dropped by the server
  socket.volatile.emit("v", "a", "tail");
  assert.deepEqual((await driver.next("event", (e) => e.event === "plain")).args, ["text"]);
  assert.deepEqual((await driver.next("event", (e) => e.event === "v")).args, ["a", "tail"]);
  const again = peer.connection();
  socket.conn.close();
  await driver.state("reconnecting");
  peer.io.emit("plain", "missed");
  assert.equal((await again).recovered, true);
  assert.deepEqual((await driver.next("event", (e) => e.event === "plain")).args, ["missed"]);
});

test("state recovery: nothing was received yet, or the server forgot: a new session, no event twice", async (t) => {
  const options = { connectionStateRecovery: { maxDisconnectionDuration: 60000 } };
  const peer = await Peer.start(t, options);
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url }, { on: ["news"] });
  const socket = await connection;
  const again = peer.connection();
  socket.conn.close();
  const second = await again;
  await driver.state("connected");
  second.emit("news", 1);
  await driver.next("event", (e) => e.args[0] === 1);
  await peer.crash();
  await driver.state("reconnecting");
  const later = await Peer.start(t, options, { port: peer.port });
  const third = await later.connection();
  assert.equal(third.recovered, false);
  await driver.state("connected");
  third.emit("news", 2);
  await driver.next("event", (e) => e.args[0] === 2);
  assert.deepEqual(driver.all("event").map((e) => e.args), [[1], [2]]);
});

test("retry now: a waiting reconnect is made at once", async (t) => {
  const first = await Peer.start(t);
  const driver = new Driver(t);
  await driver.connect({ url: first.url, reconnect: { floorMs: 20000, baseMs: 30000, capMs: 30000 } });
  await first.crash();
  await driver.state("reconnecting");
  await Peer.start(t, {}, { port: first.port });
  await driver.do("retry");
  await driver.state("connected", 2000);
});
