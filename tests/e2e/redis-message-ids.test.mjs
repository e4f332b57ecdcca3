// A message with a messageId is handled once in the whole cluster, whichever instance its repeats reach.
import assert from "node:assert/strict";
import test from "node:test";
import { AivoServer, connected } from "./lib/aivo-server.mjs";
import { token } from "./lib/peers.mjs";
import { sleep, slow, until } from "./lib/process.mjs";
import { ask, is, RedisServer } from "./lib/redis.mjs";

async function pair(t, { env = {}, args = [] } = {}) {
  const redis = await RedisServer.start(t);
  const all = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), ...env };
  const [one, two] = await Promise.all([AivoServer.start(t, all, args), AivoServer.start(t, all, args)]);
  await Promise.all([is(one, 1), is(two, 1)]);
  const [a, b] = await Promise.all([one, two].map((server) => connected(t, server.url)));
  return { redis, one, two, a, b, wire: redis.client() };
}
const handled = (server, name = "agent:tutor") =>
  server.metric(`websocket_message_latency_ms_count{event="${name}"}`);

test("a repeat on another instance gets the stored answer, and is not handled", async (t) => {
  const { two, a, b, wire } = await pair(t);
  const message = { input: "I am stuck", messageId: "m-1" };
  const first = await ask(a, "agent:tutor", message);
  assert.equal(first.result.turn, 1);
  await ask(a, "agent:tutor", { input: "more" });
  assert.deepEqual(await ask(b, "agent:tutor", message), first);
  assert.deepEqual(await ask(a, "agent:tutor", message), first);
  assert.equal(await handled(two), 0);
  const [key] = await wire.keys("socket.io-message#*");
  assert.equal(key, "socket.io-message#9#learner-1#m-1");
  const left = await wire.pttl(key);
  assert.ok(left > 590000 && left <= 600000, `${left}`);

  // Another user's message of the same id is another message.
  const c = await connected(t, two.url, { auth: { token: token({ userId: "somebody" }) } });
  assert.equal((await ask(c, "agent:tutor", message)).result.turn, 1);
  assert.equal(await handled(two), 1);

  // What failed is not remembered.
  assert.ok((await ask(a, "agent:tutor", { input: 5, messageId: "m-2" })).error);
  await until(async () => (await wire.keys("*m-2")).length === 0, "forgotten");
});

test("events of one client stay in order behind one that is being claimed", async (t) => {
  const { a } = await pair(t);
  const answers = await Promise.all([
    ask(a, "agent:learning", { action: "start_session", messageId: "s" }),
    ask(a, "agent:learning", { action: "process_answer", activityId: "add-1-2", answer: "3" }),
    ask(a, "agent:learning", { action: "process_answer", activityId: "add-2-2", answer: "4", messageId: "t" }),
    ask(a, "agent:learning", { action: "process_answer", activityId: "add-3-2", answer: "5" }),
  ]);
  assert.ok(answers.every((answer) => answer.success), JSON.stringify(answers));
  assert.deepEqual(answers.slice(1).map((answer) => answer.result.answered), [1, 2, 3]);
  // Hundreds at once, each handled once and answered.
  const many = await Promise.all(Array.from({ length: 80 }, (_, i) => ask(a, "agent:tutor", { input: "x", messageId: `n${i}` })));
  assert.deepEqual(many.map((answer) => answer.result.turn), Array.from({ length: 80 }, (_, i) => (i % 10) + 1)); // a break every ten
});

test("a repeat while the first is being handled elsewhere waits for its answer; others do not wait", async (t) => {
  const { one, two, a, b, wire } = await pair(t, { env: { TEST_HANDLER_DELAY_MS: String(500 * slow) }, args: ["--conformance"] });
  const message = { input: "hello", messageId: "slow" };
  const first = ask(a, "agent:tutor", message);
  await until(async () => (await wire.keys("*slow")).length === 1, "claimed");
  const repeats = [ask(b, "agent:tutor", message), ask(b, "agent:tutor", message), ask(a, "agent:tutor", message)];
  const other = ask(b, "agent:tutor", { input: "another" });
  assert.deepEqual(await Promise.all(repeats), Array(3).fill(await first));
  assert.equal((await other).result.turn, 1);
  assert.deepEqual([await handled(one), await handled(two)], [1, 1]);

  // The instance that handles it dies; its claim runs out; the other one handles it.
  const lost = { input: "again", messageId: "lost" };
  a.emit("agent:tutor", lost);
  await until(async () => (await wire.keys("*lost")).length === 1, "claimed");
  assert.ok((await wire.pttl((await wire.keys("*lost"))[0])) <= 60000);
  await one.kill();
  const rescued = ask(b, "agent:tutor", lost);
  await sleep(100);
  await wire.pexpire((await wire.keys("*lost"))[0], 1);
  assert.equal((await rescued).result.turn, 2);
});

test("without Redis each instance remembers for itself", async (t) => {
  const { redis, one, a } = await pair(t);
  const before = await ask(a, "agent:tutor", { input: "x", messageId: "before" });
  await redis.kill();
  await is(one, 0);
  const alone = await ask(a, "agent:tutor", { input: "x", messageId: "alone" });
  assert.equal(alone.result.turn, 2);
  assert.deepEqual(await ask(a, "agent:tutor", { input: "x", messageId: "alone" }), alone);
  assert.deepEqual(await ask(a, "agent:tutor", { input: "x", messageId: "before" }), before);
  await redis.run();
  await is(one, 1);
  assert.equal((await ask(a, "agent:tutor", { input: "x", messageId: "after" })).result.turn, 3);
});

test("Redis goes away or stalls between the claim and its answer: the message is handled all the same", async (t) => {
  const { redis, a } = await pair(t);
  const wire = redis.client();
  wire.call("CLIENT", "PAUSE", "60000", "ALL").catch(() => {});
  await sleep(50);
  const answer = ask(a, "agent:tutor", { input: "x", messageId: "paused" });
  const behind = ask(a, "agent:tutor", { input: "y" });
  await sleep(100);
  await redis.kill();
  assert.equal((await answer).result.turn, 1);
  assert.equal((await behind).result.turn, 2);
});
