// Nonsense where Redis should be, and on the cluster's channels.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import test from "node:test";
import { connected, request } from "./lib/aivo-server.mjs";
import { sleep, slow, until } from "./lib/process.mjs";
import { ask, clusterServer, delivers, is, RedisServer, Relay } from "./lib/redis.mjs";

const readyz = async (server) => (await request(`${server.url}/readyz`)).body;

test("nonsense: in place of answers, and unasked for", async (t) => {
  const redis = await RedisServer.start(t);
  const relay = await Relay.start(t, redis.port);
  const [one, two] = await Promise.all([clusterServer(t, relay.port), clusterServer(t, redis.port)]);
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
  const one = await clusterServer(t, redis.port);
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

test("something else listens there", async (t) => {
  const server = net.createServer((socket) => (socket.on("error", () => {}), socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const one = await clusterServer(t, server.address().port);
  await until(() => /breaks the protocol|no Redis|closed/.test(one.stderr), "said why");
  assert.match(await readyz(one), /redis: away/);
});
