// Random traffic over two servers while the link to Redis garbles, stalls, is cut, and Redis is killed and comes back: nothing
// crashes or leaks (a sanitizer would end the server with another status), and at the end the cluster is whole.
// AIVO_LONG=1: ten minutes, with a flat memory from the second minute on.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { AivoServer, connected } from "./lib/aivo-server.mjs";
import { long, sleep, slow } from "./lib/process.mjs";
import { delivers, is, RedisServer, Relay } from "./lib/redis.mjs";

const any = (list) => list[Math.floor(Math.random() * list.length)];
const chance = (share) => Math.random() < share;
const residentKb = (server) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.process.pid}/status`))[1]);

function act(client, clients) {
  const rooms = ["r1", "r2", "r3"];
  const opts = { rooms: chance(0.5) ? [] : [any(rooms), any(clients).id ?? "nobody"], except: chance(0.8) ? [] : ["r2"] };
  const ignore = () => {};
  any([
    () => client.emit("test:emit", opts, "q", { x: [1, { y: "z".repeat(Math.random() * 3000) }] }, Buffer.alloc(Math.random() * 2000)),
    () => client.emit("test:emit", { ...opts, volatile: true }, "q", 1.5, null),
    () => client.emit("test:emit", { ...opts, ack: true, timeout: 200 }, "q", 1, ignore),
    () => client.emit("test:fetch", opts, ignore),
    () => client.emit("test:rooms", {}, ignore),
    () => client.emit("test:join", opts, [any(rooms)]),
    () => client.emit("test:leave", opts, [any(rooms)]),
    () => client.emit("test:server-side", { ack: chance(0.5) }, "event", 1, ignore),
    () => client.emit("agent:tutor", { input: "x", messageId: `m${Math.floor(Math.random() * 500)}` }, ignore),
  ])();
  if (chance(0.002)) {
    client.disconnect();
    setTimeout(() => client.connect(), 50);
  }
}

test("random traffic over a Redis that fails in every way", { timeout: 15 * 60000 }, async (t) => {
  const redis = await RedisServer.start(t);
  const relay = await Relay.start(t, redis.port);
  const start = (port) => AivoServer.start(t, { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(port), RATE_LIMIT_MAX_MESSAGES: "0" }, ["--conformance"]);
  const servers = [await start(relay.port), await start(redis.port)];
  await Promise.all(servers.map((server) => is(server, 1)));
  const clients = [];
  for (let i = 0; i < 8; i++) clients.push(await connected(t, servers[i % 2].url, { transports: ["websocket"] }));
  for (const client of clients) client.on("q", (...args) => typeof args.at(-1) === "function" && chance(0.9) && args.at(-1)(Buffer.from("x"), 1));

  const begun = Date.now();
  const lasts = long ? 600000 : 4000;
  const trouble = [() => (relay.mode = "garble"), () => (relay.mode = "pass"), () => relay.cut(), () => (relay.mode = "stall"),
    async () => (await redis.kill(), await sleep(300), await redis.run())];
  let next = 0;
  let step = 0;
  let early = 0;
  while (Date.now() - begun < lasts) {
    for (let i = 0; i < 20; i++) act(any(clients), clients);
    await sleep(10);
    if (Date.now() - begun < next) continue;
    next += lasts / (long ? 300 : 8);
    await trouble[step++ % trouble.length]();
    if (!early && Date.now() - begun > 120000) early = Math.max(...servers.map(residentKb));
  }
  relay.mode = "pass";
  relay.cut();
  await Promise.all(servers.map((server) => is(server, 1, 20000)));
  const [a, b] = [await connected(t, servers[0].url), await connected(t, servers[1].url)];
  await delivers(a, b, "whole");
  await delivers(b, a, "again");
  if (long && slow === 1) assert.ok(Math.max(...servers.map(residentKb)) < early * 1.3 + 20000, "the memory is flat");
});
