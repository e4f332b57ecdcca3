// Redis away at the start, dying, coming back, stalling, talking nonsense, refusing: local delivery goes on, metrics and
// /readyz tell, and afterwards the cluster is whole again.
import assert from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";
import test from "node:test";
import { AivoServer, connected, event, request } from "./lib/aivo-server.mjs";
import { sleep, slow, until } from "./lib/process.mjs";
import { freePort, nodeServer, RedisServer, Relay } from "./lib/redis.mjs";

const ask = (socket, ...args) => socket.timeout(8000 * slow).emitWithAck(...args);
const start = (t, port, env = {}) =>
  AivoServer.start(t, { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(port), ...env }, ["--conformance"]);
const is = (server, value, limitMs = 12000) =>
  until(async () => (await server.metric("aivo_redis_connected")) === value, `aivo_redis_connected ${value}`, limitMs);
const readyz = async (server) => (await request(`${server.url}/readyz`)).body;

async function delivers(from, to, name) {
  const got = event(to, name);
  await ask(from, "test:emit", {}, name, name);
  assert.equal(await got, name);
}

test("away at the start, there later, killed, back: local delivery goes on and the cluster heals", async (t) => {
  const port = await freePort();
  const [one, two] = await Promise.all([start(t, port), start(t, port)]);
  const [a, a2, b] = await Promise.all([one, one, two].map((server) => connected(t, server.url)));
  assert.match(await readyz(one), /redis: away/);
  assert.ok((await one.metric('websocket_errors_total{type="redis"}')) > 0);
  await delivers(a, a2, "alone");
  // What was published meanwhile arrives when it is there.
  const later = new Promise((resolve) => b.once("alone", resolve));
  const redis = await RedisServer.start(t, { port });
  await Promise.all([is(one, 1), is(two, 1)]);
  assert.equal(await readyz(one), "ready\n");
  await Promise.race([later, sleep(500 * slow)]); // it may have come before two had subscribed
  await delivers(a, b, "first");

  for (const round of [1, 2]) {
    await redis.kill();
    await Promise.all([is(one, 0), is(two, 0)]);
    await delivers(a, a2, `dead ${round}`);
    const answers = await ask(a, "test:fetch", {}).catch((error) => error);
    assert.equal(answers, null); // no error: this instance's own are the answer
    await redis.run();
    await Promise.all([is(one, 1), is(two, 1)]);
    await delivers(a, b, `back ${round}`);
    await delivers(b, a, `back too ${round}`);
  }
  assert.ok((await one.metric("aivo_redis_connections_total")) >= 3);
  assert.match(one.stderr, /redis: 127\.0\.0\.1:\d+ is away/);
});

test("nonsense: in place of answers, and unasked for", async (t) => {
  const redis = await RedisServer.start(t);
  const relay = await Relay.start(t, redis.port);
  const [one, two] = await Promise.all([start(t, relay.port), start(t, redis.port)]);
  await Promise.all([is(one, 1), is(two, 1)]);
  const [a, a2, b] = await Promise.all([one, one, two].map((server) => connected(t, server.url)));
  for (const bytes of ["+OK\r\n", "$-1\r\n", ":7\r\n", "*-1\r\n", "*0\r\n", "*1\r\n$7\r\nmessage\r\n", "*3\r\n:1\r\n:2\r\n:3\r\n",
    "*3\r\n$7\r\nmessage\r\n$-1\r\n$-1\r\n", "*4\r\n$8\r\npmessage\r\n$1\r\na\r\n:5\r\n*1\r\n:1\r\n", "*1000000000\r\n",
    "*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n*2\r\n", "!garbage\r\n", "\0\0\0\0", "-ERR no\r\n"]) {
    const before = relay.accepted;
    relay.say(bytes);
    await until(async () => relay.accepted > before , `noticed ${bytes}`, 8000);
    await is(one, 1);
  }
  const noise = (bytes) => (relay.say(bytes), sleep(20));
  await noise(Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) & 0xff)));
  await is(one, 1);
  relay.mode = "garble";
  await ask(a, "test:emit", {}, "x", 1);
  await is(one, 0);
  await delivers(a, a2, "alone");
  await sleep(100 * slow);
  relay.mode = "pass";
  await is(one, 1);
  await delivers(a, b, "whole");
  await delivers(b, a, "again");
});

test("messages that make no sense on our channels are counted and do no harm", async (t) => {
  const redis = await RedisServer.start(t);
  const one = await start(t, redis.port);
  await is(one, 1);
  const a = await connected(t, one.url);
  const wire = redis.client();
  const before = await one.metric('websocket_errors_total{type="redis"}');
  const channels = ["socket.io#/#", `socket.io#/#${a.id}#`, "socket.io-request#/#", "socket.io-response#/#"];
  const bad = ["", "{", "{}", "[]", "null", '{"type":99}', '{"type":5,"requestId":"x"}', '{"type":5,"requestId":1,"opts":{}}',
    '{"type":2,"opts":{"rooms":[[]]},"rooms":[1]}', '{"type":6,"data":{}}', Buffer.from([0x93]), Buffer.from([0x93, 0xa1, 0x78, 0xc0, 0xc0]),
    Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]), Buffer.alloc(5000, 0x91), Buffer.from([0xc1])];
  for (const channel of channels) for (const payload of bad) await wire.publish(channel, payload);
  await until(async () => (await one.metric('websocket_errors_total{type="redis"}')) >= before + channels.length * 5, "counted");
  await delivers(a, a, "fine");
  assert.equal(await one.metric("aivo_redis_connected"), 1);
});

test("a password, a user, and wrong ones", async (t) => {
  const redis = await RedisServer.start(t, { args: ["--requirepass", "sesame", "--user", "aivo", "on", ">open", "~*", "&*", "+@all"] });
  const [plain, user, wrong, none] = await Promise.all([
    start(t, redis.port, { REDIS_PASSWORD: "sesame" }),
    start(t, redis.port, { REDIS_USERNAME: "aivo", REDIS_PASSWORD: "open" }),
    start(t, redis.port, { REDIS_PASSWORD: "wrong-password" }),
    start(t, redis.port),
  ]);
  await Promise.all([is(plain, 1), is(user, 1)]);
  await until(() => /WRONGPASS/.test(wrong.stderr) && /NOAUTH/.test(none.stderr), "said why");
  assert.doesNotMatch(wrong.stderr, /wrong-password/);
  assert.equal(await wrong.metric("aivo_redis_connected"), 0);
  const [a, b] = await Promise.all([plain, user].map((server) => connected(t, server.url)));
  await delivers(a, b, "through");
});

test("a name is resolved, another prefix is another cluster, and a user without rights is told", async (t) => {
  const redis = await RedisServer.start(t, { args: ["--user", "narrow", "on", ">p", "~*", "resetchannels", "&nothing*", "+@all"] });
  const [one, two, other, narrow] = await Promise.all([
    start(t, redis.port, { REDIS_HOST: "localhost", REDIS_PREFIX: "p*" }),
    start(t, redis.port, { REDIS_PREFIX: "p*" }),
    start(t, redis.port, { REDIS_PREFIX: "pq" }),
    start(t, redis.port, { REDIS_USERNAME: "narrow", REDIS_PASSWORD: "p" }),
  ]);
  await Promise.all([one, two, other].map((server) => is(server, 1)));
  const [a, b, c] = await Promise.all([one, two, other].map((server) => connected(t, server.url)));
  let strange = 0;
  b.on("x", () => strange++);
  await ask(c, "test:emit", {}, "x", 1);
  await delivers(a, b, "same prefix");
  assert.equal(strange, 0);
  await until(() => /NOPERM/.test(narrow.stderr), "NOPERM");
  assert.equal(await narrow.metric("aivo_redis_connected"), 0);
});

test("something else listens there", async (t) => {
  const server = net.createServer((socket) => (socket.on("error", () => {}), socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const one = await start(t, server.address().port);
  await until(() => /breaks the protocol|no Redis|closed/.test(one.stderr), "said why");
  assert.match(await readyz(one), /redis: away/);
});

test("a Node server that loses Redis as well: both go on alone and together again", async (t) => {
  const redis = await RedisServer.start(t);
  const node = await nodeServer(t, redis);
  const one = await start(t, redis.port);
  await is(one, 1);
  const [a, n] = await Promise.all([one, node].map((server) => connected(t, server.url)));
  await redis.kill();
  await is(one, 0);
  await redis.run();
  await is(one, 1);
  await until(async () => (await redis.client().pubsub("NUMSUB", "socket.io-request#/#"))[1] === 2, "both subscribed", 10000);
  await delivers(a, n, "to node");
  const got = event(a, "from node");
  node.io.emit("from node", 1);
  assert.equal(await got, 1);
});
