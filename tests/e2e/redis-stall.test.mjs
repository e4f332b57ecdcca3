// Redis that is there and says nothing any more: noticed, bounded, healed.
import assert from "node:assert/strict";
import test from "node:test";
import { connected } from "./lib/aivo-server.mjs";
import { ask, clusterServer, delivers, is, RedisServer, Relay } from "./lib/redis.mjs";

test("stalling: noticed within the deadlines, what waits is bounded, and it heals", async (t) => {
  const redis = await RedisServer.start(t);
  const relay = await Relay.start(t, redis.port);
  const [one, two] = await Promise.all([clusterServer(t, relay.port), clusterServer(t, redis.port)]);
  await Promise.all([is(one, 1), is(two, 1)]);
  const [a, a2, b] = await Promise.all([one, one, two].map((server) => connected(t, server.url)));
  relay.mode = "stall";
  await delivers(a, a2, "stalled");
  const payload = "x".repeat(900000);
  for (let i = 0; i < 14; i++) await ask(a, "test:emit", {}, "big", payload); // beyond what may wait
  await is(one, 0, 16000);
  await delivers(a, a2, "still");
  for (let i = 0; i < 14; i++) await ask(a, "test:emit", {}, "big", payload);
  assert.ok((await one.metric("aivo_redis_dropped_total")) > 0, "dropped and counted");
  relay.mode = "pass";
  await is(one, 1, 20000);
  await delivers(a, b, "healed");
  await delivers(b, a, "healed too");
});
