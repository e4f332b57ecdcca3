// Connection state recovery by aivo-server: with socket.io-client, with libaivo, and byte by byte.
import assert from "node:assert/strict";
import net from "node:net";
import test from "node:test";
import WebSocket from "ws";
import { AivoServer, client, connected, event } from "./lib/aivo-server.mjs";
import { Driver } from "./lib/driver.mjs";
import { listen, token } from "./lib/peers.mjs";
import { sleep, slow, until } from "./lib/process.mjs";
import { is, nodeServer, RedisServer } from "./lib/redis.mjs";

const start = (t, env = {}) =>
  AivoServer.start(t, { RECOVERY_MS: "60000", BENCH_EVENTS: "true", RATE_LIMIT_MAX_MESSAGES: "0", ...env });
const offsetShape = /^[0-9A-Za-z_-]{7}(\.[0-9A-Za-z_-]+)?$/;

// Passes connections through, until they are cut without a word.
class Relay {
  static async start(t, port) {
    const relay = new Relay();
    relay.sockets = new Set();
    const server = net.createServer((near) => {
      const far = net.connect(port, "127.0.0.1");
      for (const [from, to] of [[near, far], [far, near]]) {
        relay.sockets.add(from);
        from.pipe(to);
        from.on("error", () => {});
        from.on("close", () => (relay.sockets.delete(from), to.destroy()));
      }
      if (relay.refuse) near.destroy();
    });
    relay.url = `http://127.0.0.1:${await listen(server)}`;
    t.after(() => (server.close(), relay.cut()));
    return relay;
  }

  cut() {
    for (const socket of this.sockets) socket.destroy();
  }
}

// A WebSocket whose packets are waited for one after the other.
class Raw {
  static async open(t, server, payload, { wait = true } = {}) {
    const raw = new Raw();
    raw.packets = [];
    raw.ws = new WebSocket(`${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
    raw.ws.on("message", (data, binary) => {
      if (binary || !["0", "2"].includes(data.toString()[0])) raw.packets.push(binary ? data : data.toString());
    });
    raw.closed = new Promise((resolve) => raw.ws.on("close", (code) => resolve(code)));
    t.after(() => raw.ws.terminate());
    await new Promise((resolve, reject) => raw.ws.on("open", resolve).on("error", reject));
    raw.send(`40${JSON.stringify({ token: token(), learnerId: "L1", ...payload })}`);
    if (!wait) return raw;
    raw.before = [];
    for (;;) {
      const packet = await raw.next();
      if (/^4[04]/.test(packet)) {
        raw.reply = JSON.parse(packet.slice(2));
        if (packet[1] === "0") raw.quality = await raw.next();
        return raw;
      }
      raw.before.push(packet);
    }
  }

  send(text) {
    this.ws.send(text);
  }

  async next() {
    return until(() => this.packets.shift(), "a packet");
  }

  // The next event's name and arguments.
  async event() {
    return JSON.parse((await this.next()).slice(2));
  }

  async lose(server) {
    const before = await server.metric("websocket_connections_total");
    this.ws.terminate();
    await until(async () => (await server.metric("websocket_connections_total")) === before - 1, "the connection's end");
  }
}

const broadcast = (socket, ...args) => socket.timeout(5000 * slow).emitWithAck("bench:broadcast", ...args);

test("socket.io-client comes back as the same, with what it missed, in order", async (t) => {
  const server = await start(t);
  const sender = await connected(t, server.url, { transports: ["websocket"] });
  for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
    const socket = client(t, server.url, { transports, reconnection: true, reconnectionDelay: 300, reconnectionDelayMax: 300 });
    await event(socket, "connect");
    const seen = [];
    socket.on("bench:event", (...args) => seen.push(args));
    const id = socket.id;
    await broadcast(sender, 0);
    await until(() => seen.length === 1, "the first event");
    assert.match(seen[0][1], offsetShape);
    assert.equal(socket.recovered, false);
    const again = event(socket, "connect");
    const gone = event(socket, "disconnect");
    socket.io.engine.close();
    await gone;
    for (let i = 1; i <= 5; i++) await broadcast(sender, i, { some: "object" });
    await broadcast(sender, Buffer.from([6]));
    await again;
    assert.equal(socket.recovered, true, transports.join());
    assert.equal(socket.id, id);
    await broadcast(sender, 7);
    await until(() => seen.length >= 8, "the last event");
    assert.deepEqual(seen.map((args) => (Buffer.isBuffer(args[0]) ? args[0][0] : args[0])), [0, 1, 2, 3, 4, 5, 6, 7]);
    socket.close();
  }
});

test("libaivo through a cut connection: recovered events marked so, offsets not shown, the agent session goes on", async (t) => {
  const server = await start(t);
  const relay = await Relay.start(t, server.port);
  const sender = await connected(t, server.url, { transports: ["websocket"] });
  const driver = new Driver(t);
  const auth = { token: token(), learnerId: "L1" };
  await driver.connect({ url: relay.url, auth, reconnect: { floorMs: 300, baseMs: 400, capMs: 500 } },
    { on: ["bench:event", "tutor:message", "connection:quality"] });
  const { args: first } = await driver.next("event", (e) => e.event === "connection:quality");
  assert.equal(first.length, 1);
  await broadcast(sender, 0, "text");
  assert.deepEqual((await driver.next("event", (e) => e.event === "bench:event")).args, [0, "text"]);
  for (let round = 1; round <= 3; round++) {
    relay.cut();
    await driver.state("reconnecting");
    await broadcast(sender, round, "missed");
    await driver.state("connected");
    const missed = await driver.next("event", (e) => e.event === "bench:event");
    assert.deepEqual([missed.args, missed.recovered], [[round, "missed"], true]);
  }
  await broadcast(sender, 9);
  const live = await driver.next("event", (e) => e.event === "bench:event");
  assert.deepEqual([live.args, live.recovered], [[9], false]);
});

test("the bytes: pid, offsets, what was missed before the CONNECT reply, binary too; no offset for what is of the moment", async (t) => {
  const server = await start(t);
  const sender = await connected(t, server.url, { transports: ["websocket"] });
  const first = await Raw.open(t, server, {});
  assert.deepEqual(Object.keys(first.reply), ["sid", "pid"]);
  assert.equal(JSON.parse(first.quality.slice(2)).length, 2, "connection:quality has no offset");
  first.send('42["quality_ping",{"pingId":1}]');
  assert.equal((await first.event()).length, 2, "quality_pong has none");
  first.send('421["agent:learning",{"action":"start_session"}]');
  assert.match(await first.next(), /^431\[\{"success":true/);
  first.send('42["agent:tutor",{"input":"hello"}]');
  const [name, , offset] = await first.event();
  assert.equal(name, "tutor:message");
  assert.match(offset, offsetShape);
  await first.lose(server);
  await broadcast(sender, 1);
  await broadcast(sender);
  await broadcast(sender, { b: Buffer.from([1, 2]) });

  const second = await Raw.open(t, server, { pid: first.reply.pid, offset });
  assert.deepEqual(second.reply, first.reply);
  assert.equal(second.before.length, 4);
  const [one, none, binary, bytes] = second.before;
  const [a, b] = [JSON.parse(one.slice(2)), JSON.parse(none.slice(2))];
  assert.deepEqual(a.slice(0, 2), ["bench:event", 1]);
  assert.equal(b.length, 2);
  assert.match(binary, /^451-\["bench:event",\{"b":\{"_placeholder":true,"num":0\}\},"[^"]+"\]$/);
  assert.deepEqual([...bytes], [1, 2]);
  second.send('422["agent:learning",{"action":"process_answer","activityId":"add-3-4","answer":7}]');
  assert.match(await second.next(), /^432\[\{"success":true/, "the agent session is the old one");
  assert.equal(await server.metric("websocket_active_sessions"), 1);

  // From the middle: what came behind that offset, and no more.
  await second.lose(server);
  const third = await Raw.open(t, server, { pid: first.reply.pid, offset: a[2] });
  assert.equal(third.reply.sid, first.reply.sid);
  assert.deepEqual(third.before.map((packet) => packet.toString()), [none, binary, bytes.toString()]);
});

test("without an offset: nothing was received, so all since CONNECT comes, also when that is nothing", async (t) => {
  const server = await start(t);
  const sender = await connected(t, server.url, { transports: ["websocket"] });
  await broadcast(sender, "before");
  const first = await Raw.open(t, server, {});
  await first.lose(server);
  const second = await Raw.open(t, server, { pid: first.reply.pid });
  assert.deepEqual([second.reply, second.before], [first.reply, []]);
  await broadcast(sender, "live"); // sent, and never read
  await second.lose(server);
  await broadcast(sender, "missed");
  const third = await Raw.open(t, server, { pid: first.reply.pid });
  assert.deepEqual(third.reply, first.reply);
  assert.deepEqual(third.before.map((text) => JSON.parse(text.slice(2))[1]), ["live", "missed"]);
});

test("who may not be resumed gets a new session, and a bad token none", async (t) => {
  const server = await start(t, { RECOVERY_MAX_EVENTS: "5" });
  const sender = await connected(t, server.url, { transports: ["websocket"] });
  const lost = async () => {
    const raw = await Raw.open(t, server, {});
    await broadcast(sender, 0);
    raw.offset = (await raw.event())[2];
    await raw.lose(server);
    raw.pid = raw.reply.pid;
    return raw;
  };
  const old = await lost();
  const asks = {
    "another user": { token: token({ userId: "learner-2" }) },
    "another learner": { learnerId: "L2" },
    "an offset of nobody": { offset: "Q84cpKT" },
    "an offset that is none": { offset: "!!" },
    "an offset that is no text": { offset: 7 },
    "an endless offset": { offset: "Q".repeat(5000) },
    "a pid of nobody": { pid: "A".repeat(20) },
    "a pid that is no text": { pid: { a: 1 } },
    "an empty pid": { pid: "" },
  };
  for (const [what, fields] of Object.entries(asks)) {
    const raw = await Raw.open(t, server, { pid: old.pid, offset: old.offset, ...fields });
    assert.notEqual(raw.reply.sid, old.reply.sid, what);
    assert.notEqual(raw.reply.pid, old.pid, what);
    assert.deepEqual(raw.before, [], what);
    raw.ws.terminate();
  }
  const refused = await Raw.open(t, server, { pid: old.pid, offset: old.offset, token: "bad" });
  assert.deepEqual(refused.reply, { message: "Invalid authentication token" });
  const good = await Raw.open(t, server, { pid: old.pid, offset: old.offset });
  assert.deepEqual(good.reply, old.reply, "after all that, who has the right to it gets it");
  good.ws.terminate();

  const late = await lost();
  for (let i = 0; i < 6; i++) await broadcast(sender, i);
  const raw = await Raw.open(t, server, { pid: late.pid, offset: late.offset });
  assert.notEqual(raw.reply.pid, late.pid, "more was missed than is kept");
  assert.deepEqual(raw.before, []);

  const left = await Raw.open(t, server, {});
  left.send("41");
  await sleep(100);
  left.ws.terminate();
  assert.notEqual((await Raw.open(t, server, { pid: left.reply.pid })).reply.pid, left.reply.pid, "who said goodbye");
});

test("who comes back before its end was noticed: the old connection makes room", async (t) => {
  const server = await start(t);
  const sender = await connected(t, server.url, { transports: ["websocket"] });
  const old = await Raw.open(t, server, {});
  await broadcast(sender, 1);
  const [, , offset] = await old.event();
  await broadcast(sender, 2);
  const thief = await Raw.open(t, server, { pid: old.reply.pid, offset, token: token({ userId: "thief" }) });
  assert.notEqual(thief.reply.pid, old.reply.pid);
  const again = await Raw.open(t, server, { pid: old.reply.pid, offset });
  assert.deepEqual(again.reply, old.reply);
  assert.deepEqual(again.before.map((text) => JSON.parse(text.slice(2))[1]), [2]);
  assert.equal(await old.closed, 1000);
  await broadcast(sender, 3);
  assert.equal((await again.event())[1], 3);
  assert.equal(await server.metric("websocket_connections_total"), 3);
});

test("in a cluster: what a Node instance said meanwhile is replayed, by room too; another instance knows nothing of it", async (t) => {
  const redis = await RedisServer.start(t);
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port) };
  const [one, two] = await Promise.all([start(t, env), start(t, env)]);
  const node = await nodeServer(t, redis);
  await Promise.all([is(one, 1), is(two, 1)]);
  await until(async () => (await node.io.of("/").adapter.serverCount()) === 3, "three instances");
  const first = await Raw.open(t, one, {});
  const id = first.reply.sid;
  node.io.in(id).socketsJoin("class");
  await until(async () => (await node.io.in(id).fetchSockets())[0]?.rooms.has("class"), "the room");
  node.io.emit("seen", 1);
  const [, , offset] = await first.event();
  assert.match(offset, offsetShape, "the offset is this instance's own");
  await first.lose(one);
  node.io.to("class").emit("missed", 2, Buffer.from([9]));
  node.io.to("elsewhere").emit("missed", 3);
  node.io.except("class").emit("missed", 4);
  node.io.to("learner:L1").emit("missed", 5);
  node.io.volatile.emit("missed", 6);
  node.io.emit("missed", 7);
  const witness = await connected(t, one.url);
  const last = event(witness, "end");
  node.io.emit("end");
  await last;

  const stranger = await Raw.open(t, two, { pid: first.reply.pid, offset });
  assert.notEqual(stranger.reply.sid, id);
  const again = await Raw.open(t, one, { pid: first.reply.pid, offset });
  assert.deepEqual(again.reply, first.reply);
  const texts = again.before.filter((packet) => typeof packet === "string").map((text) => JSON.parse(text.replace(/^4\d+-?/, "")));
  assert.deepEqual(texts.map(([name, n]) => (name === "end" ? name : n)), [2, 5, 7, "end"]);
  assert.deepEqual([...again.before[1]], [9]);
  node.io.to("class").emit("live", 8);
  assert.deepEqual((await again.event()).slice(0, 2), ["live", 8]);
});

test("after RECOVERY_MS nothing is left; by default there is no recovery at all", async (t) => {
  const server = await start(t, { RECOVERY_MS: String(150 * slow) });
  const first = await Raw.open(t, server, {});
  await first.lose(server);
  await sleep(400 * slow);
  assert.notEqual((await Raw.open(t, server, { pid: first.reply.pid })).reply.pid, first.reply.pid);
  const without = await AivoServer.start(t, { BENCH_EVENTS: "true" });
  const raw = await Raw.open(t, without, { pid: first.reply.pid, offset: "Q84cpKT" });
  assert.deepEqual(Object.keys(raw.reply), ["sid"]);
  raw.send('42["bench:broadcast",1]');
  assert.deepEqual(await raw.event(), ["bench:event", 1]);
});
