// libaivo against socket.io: connecting, namespaces, events and their order, goodbyes.
import assert from "node:assert/strict";
import http from "node:http";
import test from "node:test";
import { Driver } from "./lib/driver.mjs";
import { listen, Peer } from "./lib/peers.mjs";
import { sleep } from "./lib/process.mjs";

test("connects, and the sid is the server's", async (t) => {
  // The CONNECT payload and the further header arrive; the id is the one the server knows.
  const peer = await Peer.start(t);
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url, auth: { token: "T", learnerId: "L" }, headers: "X-Aivo: one\nX-Two: 2" });
  const socket = await connection;
  const state = await driver.do("state");
  assert.equal(state.state, "connected");
  assert.equal(state.sid, socket.id);
  assert.deepEqual(socket.handshake.auth, { token: "T", learnerId: "L" });
  assert.equal(socket.handshake.headers["x-aivo"], "one");
  assert.equal(socket.handshake.headers["x-two"], "2");
  assert.equal(socket.conn.transport.name, "websocket");
});

test("events keep their order both ways", async (t) => {
  // 2,000 events each way, written as fast as can be, arrive in order and none twice.
  const peer = await Peer.start(t);
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url }, { on: ["down"] });
  const socket = await connection;
  const up = [];
  socket.on("up", (n) => up.push(n));
  const wanted = Array.from({ length: 2000 }, (_, i) => i);
  for (const n of wanted) socket.emit("down", n);
  for (const n of wanted) driver.ask("emit", { event: "up", args: [n] });
  await driver.next("event", (e) => e.args[0] === 1999, 20000);
  await driver.emitWithAck("nobody", [], { timeoutMs: 100 });
  assert.deepEqual(driver.all("event").map((e) => e.args[0]), wanted);
  assert.deepEqual(up, wanted);
});

test("arguments of every kind arrive as they were", async (t) => {
  // Unicode beyond the BMP, numbers at the edge, nested values, an event without arguments, a numeric event name.
  const peer = await Peer.start(t);
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url }, { on: ["kinds", "none", "7"] });
  const socket = await connection;
  const values = ["\u{1F600} \u0000 \"\\\u2028", 1e300, -0.5, 9007199254740991, true, null, { a: { b: [[], {}] } }];
  socket.emit("kinds", ...values);
  socket.emit("none");
  assert.deepEqual((await driver.next("event")).args, values);
  assert.deepEqual((await driver.next("event", (e) => e.event === "none")).args, []);
  const back = new Promise((resolve) => socket.on("back", (...args) => resolve(args)));
  await driver.do("emit", { event: "back", args: values });
  assert.deepEqual(await back, values);
});

test("a namespace of its own, with a query-like name", async (t) => {
  const peer = await Peer.start(t);
  const nsp = peer.io.of("/school/room-1");
  const connection = peer.connection("/school/room-1");
  nsp.use((socket, next) => (socket.handshake.auth.token === "T" ? next() : next(new Error("no"))));
  const driver = new Driver(t);
  await driver.connect({ url: peer.url, nsp: "/school/room-1", auth: { token: "T" } }, { on: ["hello"] });
  const socket = await connection;
  assert.equal(socket.nsp.name, "/school/room-1");
  peer.io.emit("hello", "wrong namespace");
  nsp.emit("hello", "right");
  assert.deepEqual((await driver.next("event")).args, ["right"]);
  const echo = new Promise((resolve) => socket.on("up", resolve));
  await driver.do("emit", { event: "up", args: [5] });
  assert.equal(await echo, 5);
});

test("an unknown namespace is said to be one", async (t) => {
  // The server answers 44/nope,{"message":"Invalid namespace"}: the reason names it.
  const peer = await Peer.start(t);
  const driver = new Driver(t);
  await driver.create({ url: peer.url, nsp: "/nope" });
  await driver.do("start");
  const event = await driver.next("state", (e) => e.error);
  assert.equal(event.error.status, "AIVO_E_NAMESPACE");
  assert.match(event.error.message, /namespace.*\/nope/);
});

test("a catch-all sees every event, before the event's own callback", async (t) => {
  const peer = await Peer.start(t);
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url }, { on: ["own", { event: null }] });
  const socket = await connection;
  socket.emit("own", 1);
  socket.emit("other", 2);
  await driver.next("any", (e) => e.event === "other");
  assert.deepEqual(driver.events.filter((e) => e.ev !== "state").map((e) => [e.ev, e.event]),
    [["any", "own"], ["event", "own"], ["any", "other"]]);
  await driver.do("on", { event: null, off: true });
  await driver.do("on", { event: "own", off: true });
  socket.emit("own", 3);
  await sleep(100);
  assert.equal(driver.all("any").length, 2);
});

test("stop says goodbye and start connects again", async (t) => {
  const peer = await Peer.start(t);
  const first = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url });
  const socket = await first;
  const reason = new Promise((resolve) => socket.on("disconnect", resolve));
  await driver.do("stop");
  await driver.state("disconnected");
  assert.match(await reason, /client namespace disconnect|transport close/);
  assert.equal((await driver.ask("emit", { event: "x" })).status, "AIVO_E_NOT_CONNECTED");
  const second = peer.connection();
  await driver.do("start");
  await driver.state("connected");
  assert.notEqual((await second).id, socket.id);
});

test("the server's disconnect is noticed", async (t) => {
  // Packet 41: the namespace is left; the client says why and, as it was asked to stay connected, comes back.
  const peer = await Peer.start(t);
  const first = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url });
  const second = peer.connection();
  (await first).disconnect();
  const event = await driver.next("state", (e) => e.from === "connected");
  assert.equal(event.error.status, "AIVO_E_CLOSED");
  await second;
  await driver.state("connected");
});

test("nobody listens: refused, and an attempt limit ends in failed", async (t) => {
  const peer = await Peer.start(t);
  await peer.crash();
  const driver = new Driver(t);
  await driver.create({ url: peer.url, reconnect: { floorMs: 10, baseMs: 20, capMs: 40, maxAttempts: 3 } });
  await driver.do("start");
  const failed = await driver.state("failed");
  assert.equal(failed.error.status, "AIVO_E_CONNECT");
  assert.match(failed.error.message, /refused/i);
});

test("an answer that is no upgrade: the HTTP status is told", async (t) => {
  const server = http.createServer((req, res) => res.writeHead(403).end("no"));
  server.on("upgrade", (req, socket) => socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"));
  const port = await listen(server);
  t.after(() => server.close());
  const driver = new Driver(t);
  await driver.create({ url: `http://127.0.0.1:${port}`, reconnect: { enabled: false } });
  await driver.do("start");
  const { error } = await driver.next("state", (e) => e.error);
  assert.equal(error.status, "AIVO_E_HTTP");
  assert.equal(error.code, 503);
});
