// A cluster of Node servers (@socket.io/redis-adapter) and of ours, joined by a real Redis: each kind of message both ways.
import assert from "node:assert/strict";
import test from "node:test";
import { AivoServer, connected, event } from "./lib/aivo-server.mjs";
import { sleep, slow, until } from "./lib/process.mjs";
import { Emitter, nodeServer, RedisServer } from "./lib/redis.mjs";

const ask = (socket, ...args) => socket.timeout(8000 * slow).emitWithAck(...args);
const all = (sockets, name) => Promise.all(sockets.map((socket) => event(socket, name)));
const args = (socket, name) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name}`)), 5000 * slow);
    socket.once(name, (...values) => (clearTimeout(timer), resolve(values)));
  });
const ids = (sockets) => sockets.map((socket) => socket.id).sort();

// Two of ours, one of Node's, and a client on each: a and b on ours, n on Node's.
async function cluster(t, { nsp = "", adapter = {} } = {}) {
  const redis = await RedisServer.start(t);
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port) };
  const node = await nodeServer(t, redis, {}, adapter);
  const io = node.io.of(nsp || "/");
  io.on("connection", (socket) => socket.join("node-room"));
  const [one, two] = await Promise.all([AivoServer.start(t, env, ["--conformance"]), AivoServer.start(t, env, ["--conformance"])]);
  for (const server of [one, two]) await until(async () => (await server.metric("aivo_redis_connected")) === 1, "connected");
  const [a, b, n] = await Promise.all([one, two, node].map((server) => connected(t, server.url + nsp)));
  const wire = redis.client();
  const request = `socket.io-request#${nsp || "/"}#`;
  await until(async () => (await wire.pubsub("NUMSUB", request))[1] === 3, "three servers");
  return { redis, node, io, one, two, a, b, n, wire };
}

// Two at most in one file's time: each cluster serves several questions.
test("a cluster of Node and C servers behaves as one", async (t) => {
  const { redis, io, one, a, b, n, wire } = await cluster(t);

  await t.test("io.emit from Node and from ours reaches everybody once", async () => {
    let count = 0;
    for (const socket of [a, b, n]) socket.on("once", () => count++);
    let got = all([a, b, n], "once");
    io.emit("once", "from node");
    assert.deepEqual(await got, ["from node", "from node", "from node"]);
    got = all([a, b, n], "once");
    await ask(a, "test:emit", {}, "once", "from ours");
    assert.deepEqual(await got, ["from ours", "from ours", "from ours"]);
    await sleep(50 * slow);
    assert.equal(count, 6);
  });

  await t.test("every kind of value survives, both ways", async () => {
    const values = [null, true, false, 0, -1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, -32, -33, -128, -129, -32768,
      -32769, -2147483648, -2147483649, 2 ** 53, -(2 ** 53), 0.1, -1.5e-9, "", "ü😀\n\"\\", "x".repeat(40), "y".repeat(300),
      "z".repeat(70000), [], [[1], [2, [3]]], {}, { a: { b: [1, { c: null }] } }, Array(20).fill(7),
      Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]))];
    let got = all([a, b, n], "values");
    io.emit("values", values);
    for (const value of await got) assert.deepEqual(value, values);
    values.push(1e300, -1e300, 2 ** 64); // from a Node server these come out as 0: its encoder takes them for 64-bit integers
    got = all([a, b, n], "values");
    await ask(a, "test:emit", {}, "values", values);
    for (const value of await got) assert.deepEqual(value, values);
  });

  await t.test("dates become texts, undefined null, as within Node", async () => {
    const date = new Date(1700000000123);
    const got = [args(a, "odd"), args(n, "odd")];
    io.emit("odd", date, new Date(1700000000000), new Date(-5), undefined, { u: undefined, d: date }, 7);
    const [ours, nodes] = await Promise.all(got);
    assert.deepEqual(ours, nodes);
    assert.equal(ours[0], date.toISOString());
  });

  await t.test("binaries, both ways, also within objects", async () => {
    const bytes = [Buffer.from([1, 2, 3]), Buffer.alloc(0), Buffer.alloc(70000, 9)];
    const check = ([first, { deep }, last]) => {
      assert.deepEqual([first, deep[0], last], bytes);
    };
    let got = [a, b, n].map((socket) => args(socket, "binary"));
    io.emit("binary", bytes[0], { deep: [bytes[1]] }, bytes[2]);
    (await Promise.all(got)).forEach(check);
    got = [a, b, n].map((socket) => args(socket, "binary"));
    await ask(b, "test:emit", {}, "binary", bytes[0], { deep: [bytes[1]] }, bytes[2]);
    (await Promise.all(got)).forEach(check);
  });

  await t.test("a broadcast larger than what may wait for a client is left out, and nobody is disconnected", async () => {
    const before = await one.metric('websocket_errors_total{type="socket_error"}');
    io.emit("huge", "x".repeat(5000000));
    await until(async () => (await one.metric('websocket_errors_total{type="socket_error"}')) > before, "counted");
    assert.ok(a.connected && b.connected);
  });

  await t.test("rooms: a socket's own id, several at once, except", async () => {
    const seen = [];
    for (const [name, socket] of Object.entries({ a, b, n })) socket.on("room", (what) => seen.push(`${what}:${name}`));
    const settle = async (expected) => {
      await until(() => seen.length >= expected.length, () => `${seen}`);
      await sleep(60 * slow);
      assert.deepEqual(seen.splice(0).sort(), expected.sort());
    };
    io.to(a.id).emit("room", 1);
    await settle(["1:a"]);
    await ask(a, "test:emit", { rooms: [n.id] }, "room", 2);
    await settle(["2:n"]);
    io.to([a.id, b.id, n.id, a.id]).except([b.id]).emit("room", 3);
    await settle(["3:a", "3:n"]);
    await ask(b, "test:emit", { rooms: [a.id, b.id, n.id], except: [a.id] }, "room", 4);
    await settle(["4:b", "4:n"]);
    await ask(b, "test:emit", { except: ["node-room", b.id] }, "room", 5);
    await settle(["5:a"]);
    await ask(b, "test:emit", { rooms: ["node-room"] }, "room", 6);
    await settle(["6:n"]);
    await ask(b, "test:emit", { local: true }, "room", 7);
    await settle(["7:b"]);
    io.local.emit("room", 8);
    await settle(["8:n"]);
    io.volatile.emit("room", 9);
    await settle(["9:a", "9:b", "9:n"]);
    await ask(b, "test:emit", { volatile: true }, "room", 10);
    await settle(["10:a", "10:b", "10:n"]);
  });

  await t.test("socketsJoin and socketsLeave, both ways", async () => {
    const members = async () => (await io.in("j").fetchSockets()).map((socket) => socket.id).sort();
    const becomes = (expected) => until(async () => (await members()).join() === expected.join(), `${expected}`);
    io.in([a.id, b.id]).socketsJoin(["j", "j2"]);
    await becomes(ids([a, b]));
    await ask(a, "test:join", { rooms: [n.id] }, ["j"]);
    await becomes(ids([a, b, n]));
    io.in("j").except(n.id).socketsLeave("j");
    await becomes([n.id]);
    await ask(b, "test:leave", {}, ["j", "j2"]);
    await becomes([]);
  });

  await t.test("fetchSockets, both ways", async () => {
    const fromNode = await io.fetchSockets();
    assert.deepEqual(ids(fromNode), ids([a, b, n]));
    const ours = fromNode.find((socket) => socket.id === a.id);
    assert.ok(ours.rooms.has(a.id));
    assert.equal(ours.handshake.address, "127.0.0.1");
    assert.deepEqual(Object.keys(ours.data).sort(), ["learnerId", "userId"]);
    const [error, found] = await askAll(a, "test:fetch", {});
    assert.equal(error, null);
    assert.deepEqual(ids(found), ids([a, b, n]));
    const nodes = found.find((socket) => socket.id === n.id);
    assert.ok(nodes.rooms.includes("node-room"));
    assert.equal(nodes.handshake.query.EIO, "4");
    assert.deepEqual(ids((await askAll(b, "test:fetch", { rooms: ["node-room"] }))[1]), [n.id]);
    // A RemoteSocket of Node's acts upon a client of ours.
    const got = event(a, "remote");
    ours.emit("remote", "to you");
    assert.equal(await got, "to you");
  });

  await t.test("allRooms and the legacy list of sockets, both ways", async () => {
    const rooms = await io.adapter.allRooms();
    for (const room of [a.id, b.id, n.id, "node-room"]) assert.ok(rooms.has(room), room);
    assert.deepEqual((await askAll(a, "test:rooms", {}))[1].sort(), [...rooms].sort());
    assert.deepEqual((await askAll(a, "test:sockets", {}))[1].sort(), ids([a, b, n]));
    assert.deepEqual((await askAll(a, "test:sockets", { rooms: ["node-room"] }))[1], [n.id]);
    // Nothing in 8.3 asks for it any more: as older Node servers did.
    const answers = redis.client();
    await answers.subscribe("socket.io-response#/#");
    const heard = [];
    answers.on("message", (_, text) => heard.push(JSON.parse(text)));
    await wire.publish("socket.io-request#/#", JSON.stringify({ uid: "oldone", requestId: "oldreq", type: 0, rooms: [] }));
    await until(() => heard.length === 3, "three answers");
    assert.deepEqual(heard.flatMap((answer) => (assert.equal(answer.requestId, "oldreq"), answer.sockets)).sort(), ids([a, b, n]));
    answers.disconnect();
  });

  await t.test("serverSideEmit with and without acknowledgement, both ways", async () => {
    let heard = [event(a, "test:server-side-event"), event(b, "test:server-side-event")];
    io.serverSideEmit("silent", 1);
    assert.deepEqual(await Promise.all(heard), ["silent", "silent"]);
    heard = all([a, b], "test:server-side-event");
    const answers = await new Promise((resolve, reject) =>
      io.serverSideEmit("hello", { x: [1] }, (error, values) => (error ? reject(error) : resolve(values))));
    assert.deepEqual(await heard, ["hello", "hello"]);
    assert.equal(answers.length, 2);
    for (const answer of answers) assert.deepEqual(answer.args, [{ x: [1] }]);
    assert.notEqual(answers[0].uid, answers[1].uid);

    const atNode = new Promise((resolve) => io.once("quiet", (...values) => resolve(values)));
    heard = event(b, "test:server-side-event");
    await ask(a, "test:server-side", {}, "quiet", "x", 2);
    assert.deepEqual(await atNode, ["x", 2]);
    assert.equal(await heard, "quiet");
    io.once("sum", (x, y, answer) => answer(x + y));
    const [error, sums] = await askAll(a, "test:server-side", { ack: true }, "sum", 1, 2);
    assert.equal(error, null);
    assert.equal(sums.length, 2);
    assert.ok(sums.includes(3));
    assert.ok(sums.some((answer) => answer.args?.join() === "1,2"));
  });

  await t.test("broadcast with acknowledgements, both ways, binary too", async () => {
    for (const [name, socket] of Object.entries({ a, b, n }))
      socket.on("who", (x, answer) => answer({ name, x, bytes: Buffer.from(name) }));
    const check = (answers, x) => {
      assert.deepEqual(answers.map((answer) => answer.name).sort(), ["a", "b", "n"]);
      for (const answer of answers) assert.deepEqual([answer.x, answer.bytes.toString()], [x, answer.name]);
    };
    check(await io.timeout(5000 * slow).emitWithAck("who", 5), 5);
    const [error, answers] = await askAll(a, "test:emit", { ack: true, timeout: 5000 * slow }, "who", 6);
    assert.equal(error, null);
    check(answers, 6);
    // To nobody of ours: 0 clients are counted, and the answer comes at once.
    assert.equal((await io.timeout(5000 * slow).to("node-room").emitWithAck("who", 7)).length, 1);
    assert.equal((await askAll(a, "test:emit", { ack: true, rooms: ["node-room"], timeout: 5000 * slow }, "who", 7))[1].length, 1);
  });

  await t.test("a client that never acknowledges: what came until the time-out, both ways", async () => {
    b.on("some", () => {});
    a.on("some", (answer) => answer("a"));
    n.on("some", (answer) => answer("n"));
    const fromNode = await new Promise((resolve) =>
      io.timeout(300 * slow).emit("some", (error, answers) => resolve({ error, answers })));
    assert.match(fromNode.error.message, /timed out/);
    assert.deepEqual(fromNode.answers.sort(), ["a", "n"]);
    const [error, answers] = await askAll(a, "test:emit", { ack: true, timeout: 300 * slow }, "some");
    assert.equal(error, "timeout");
    assert.deepEqual(answers.sort(), ["a", "n"]);
  });

  await t.test("the standalone emitter", async () => {
    const emitter = new Emitter(redis.client());
    let got = all([a, b, n], "emitted");
    emitter.emit("emitted", { x: Buffer.from("bin") });
    for (const value of await got) assert.deepEqual(value, { x: Buffer.from("bin") });
    emitter.in(a.id).socketsJoin("by-emitter");
    await until(async () => (await io.in("by-emitter").fetchSockets()).length === 1, "joined");
    got = event(a, "emitted");
    emitter.to("by-emitter").emit("emitted", 2);
    assert.equal(await got, 2);
    const heard = event(a, "test:server-side-event");
    emitter.serverSideEmit("from emitter");
    assert.equal(await heard, "from emitter");
    emitter.in("by-emitter").socketsLeave("by-emitter");
    await until(async () => (await io.in("by-emitter").fetchSockets()).length === 0, "left");
    const gone = new Promise((resolve) => b.once("disconnect", resolve));
    emitter.in(b.id).disconnectSockets();
    assert.equal(await gone, "io server disconnect");
  });

  await t.test("bench:broadcast reaches every instance", async () => {
    const got = all([a, n], "bench:event");
    await ask(a, "bench:broadcast", 1);
    assert.deepEqual(await got, [1, 1]); // b is gone by now
  });

  await t.test("disconnectSockets, both ways, and with the whole connection", async () => {
    const reason = (socket) => new Promise((resolve) => socket.once("disconnect", resolve));
    let gone = reason(n);
    await ask(a, "test:disconnect", { rooms: [n.id] }, false);
    assert.equal(await gone, "io server disconnect");
    gone = reason(a);
    io.in(a.id).disconnectSockets(true);
    assert.match(await gone, /transport close|io server disconnect/);
    assert.equal(await one.metric("websocket_connections_total"), 0);
  });
});

const askAll = (socket, ...args) =>
  new Promise((resolve, reject) =>
    socket.timeout(8000 * slow).emit(...args, (error, ...values) => (error ? reject(error) : resolve(values))));

test("another namespace, and answers on the asker's own channel", async (t) => {
  const { io, a, b, n } = await cluster(t, { nsp: "/custom", adapter: { publishOnSpecificResponseChannel: true } });
  const got = all([a, b, n], "x");
  io.emit("x", 1);
  assert.deepEqual(await got, [1, 1, 1]);
  const back = all([a, b, n], "x");
  await ask(b, "test:emit", {}, "x", 2);
  assert.deepEqual(await back, [2, 2, 2]);
  assert.deepEqual(ids(await io.fetchSockets()), ids([a, b, n]));
  assert.deepEqual(ids((await askAll(a, "test:fetch", {}))[1]), ids([a, b, n]));
});
