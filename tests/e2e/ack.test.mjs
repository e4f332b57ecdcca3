// libaivo against socket.io: acknowledgements both ways, their time-outs, volatile events.
import assert from "node:assert/strict";
import test from "node:test";
import { Driver } from "./lib/driver.mjs";
import { Peer } from "./lib/peers.mjs";
import { sleep, slow } from "./lib/process.mjs";

async function connected(t, options = {}, how = {}, server = {}) {
  const peer = await Peer.start(t, server);
  const connection = peer.connection();
  const driver = new Driver(t);
  await driver.connect({ url: peer.url, ...options }, how);
  return { peer, driver, socket: await connection };
}

test("an emit is acknowledged with the server's arguments", async (t) => {
  const { driver, socket } = await connected(t);
  socket.on("add", (a, b, ack) => ack(a + b, { of: [a, b] }));
  const ack = await driver.emitWithAck("add", [2, 3]);
  assert.equal(ack.status, "AIVO_OK");
  assert.deepEqual(ack.args, [5, { of: [2, 3] }]);
});

test("300 acks under way at once, answered in the reverse order", async (t) => {
  const { driver, socket } = await connected(t);
  const waiting = [];
  socket.on("n", (n, ack) => {
    waiting.push(() => ack(n));
    if (waiting.length === 300) waiting.reverse().forEach((answer) => answer());
  });
  const acks = await Promise.all(Array.from({ length: 300 }, (_, n) => driver.emitWithAck("n", [n], {}, 15000)));
  assert.deepEqual(acks.map((ack) => ack.args[0]), Array.from({ length: 300 }, (_, n) => n));
});

test("no answer is a time-out, once, and a late answer is ignored", async (t) => {
  const { driver, socket } = await connected(t);
  let late;
  socket.on("slow", (ack) => (late = ack));
  const begin = Date.now();
  const ack = await driver.emitWithAck("slow", [], { timeoutMs: 300 });
  assert.equal(ack.status, "AIVO_E_TIMEOUT");
  assert.ok(ack.at - begin >= 290 && ack.at - begin < 1000 * slow, `${ack.at - begin} ms`);
  late("too late");
  socket.on("next", (answer) => answer("fine"));
  assert.deepEqual((await driver.emitWithAck("next", [])).args, ["fine"]);
  assert.equal(driver.all("ack").length, 2);
});

test("a lost connection ends what waits for an answer", async (t) => {
  const { driver, socket } = await connected(t);
  const pending = driver.emitWithAck("never", [], { timeoutMs: 0 });
  await sleep(50);
  socket.conn.close();
  assert.equal((await pending).status, "AIVO_E_CLOSED");
});

test("destroy ends what waits for an answer", async (t) => {
  const { driver } = await connected(t);
  const pending = driver.emitWithAck("never", [], { timeoutMs: 0 });
  await sleep(50);
  await driver.do("destroy");
  assert.equal((await pending).status, "AIVO_E_CANCELLED");
});

test("the server's event is acknowledged inside the callback", async (t) => {
  const { socket } = await connected(t, {}, { on: [{ event: "ask", answer: "echo" }, { event: "tell", answer: [{ ok: 1 }] }] });
  assert.deepEqual(await socket.timeout(2000 * slow).emitWithAck("ask", "a"), "a");
  assert.deepEqual(await socket.timeout(2000 * slow).emitWithAck("tell", "x"), { ok: 1 });
});

test("the server's event is acknowledged later, from another thread", async (t) => {
  const { driver, socket } = await connected(t, {}, { on: ["ask"] });
  const answer = socket.timeout(5000 * slow).emitWithAck("ask", 1);
  const event = await driver.next("event");
  await sleep(100);
  await driver.do("ack", { ackId: event.ackId, args: [[1, 2], "three"] });
  assert.deepEqual(await answer, [1, 2]);
});

test("an ack for a connection that is gone says so", async (t) => {
  const { driver, socket } = await connected(t, {}, { on: ["ask"] });
  socket.emit("ask", () => {});
  const event = await driver.next("event");
  socket.conn.close();
  await driver.next("state", (e) => e.from === "connected");
  await driver.state("connected");
  assert.equal((await driver.ask("ack", { ackId: event.ackId, args: [] })).status, "AIVO_E_NOT_CONNECTED");
});

test("emits while disconnected are refused, volatile or not, and do not turn up later", async (t) => {
  const { peer, driver, socket } = await connected(t, { reconnect: { floorMs: 300, baseMs: 400, capMs: 500 } });
  const seen = [];
  peer.io.on("connection", (later) => later.onAny((event) => seen.push(event)));
  socket.conn.close();
  await driver.state("reconnecting");
  assert.equal((await driver.ask("emit", { event: "v", volatile: true })).status, "AIVO_E_NOT_CONNECTED");
  assert.equal((await driver.ask("emit", { event: "e" })).status, "AIVO_E_NOT_CONNECTED");
  await driver.state("connected");
  await driver.do("emit", { event: "after", volatile: true });
  await driver.emitWithAck("end", [], { timeoutMs: 200 });
  assert.deepEqual(seen, ["after", "end"]);
});

test("bad arguments are refused, and harm nothing", async (t) => {
  const { driver, socket } = await connected(t);
  socket.on("fine", (ack) => ack());
  for (const event of ["", "connect", "connect_error", "disconnect", "disconnecting", "x".repeat(257)])
    assert.equal((await driver.ask("emit", { event, args: [] })).status, "AIVO_E_INVALID", event.slice(0, 20));
  assert.equal((await driver.ask("emit", { event: "x", args: { no: "array" } })).status, "AIVO_E_INVALID");
  assert.equal((await driver.emitWithAck("fine", [])).status, "AIVO_OK");
});

test("beyond the server's maxPayload an emit is refused here, and the connection lives", async (t) => {
  const { driver, socket } = await connected(t, {}, {}, { maxHttpBufferSize: 20000 });
  socket.on("size", (text, ack) => ack(text.length));
  assert.equal((await driver.ask("emit", { event: "size", args: ["x".repeat(30000)] })).status, "AIVO_E_TOO_LARGE");
  assert.deepEqual((await driver.emitWithAck("size", ["x".repeat(19000)])).args, [19000]);
});

test("a message beyond our own bound closes the connection, with the reason", async (t) => {
  const { driver, socket } = await connected(t, { maxPayload: 10000 }, { on: ["big"] });
  socket.emit("big", "x".repeat(20000));
  const event = await driver.next("state", (e) => e.from === "connected");
  assert.equal(event.error.status, "AIVO_E_TOO_LARGE");
  await driver.state("connected");
  assert.equal(driver.all("event").length, 0);
});
