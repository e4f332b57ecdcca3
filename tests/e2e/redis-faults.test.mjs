// Redis away at the start, dying, coming back, refusing: local delivery goes on, metrics and /readyz tell, and afterwards
// the cluster is whole again.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { AivoServer, connected, event, request } from "./lib/aivo-server.mjs";
import { sleep, slow, until } from "./lib/process.mjs";
import { ask, clusterServer, delivers, Emitter, freePort, is, nodeServer, RedisServer } from "./lib/redis.mjs";

const readyz = async (server) => (await request(`${server.url}/readyz`)).body;

test("away at the start, there later, killed, back: local delivery goes on and the cluster heals", async (t) => {
  const port = await freePort();
  const [one, two] = await Promise.all([1, 2].map(() => clusterServer(t, port, { RATE_LIMIT_MAX_MESSAGES: "0" })));
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
    // From then on nothing is lost, nothing comes twice, nothing out of order.
    const numbers = [];
    b.on("number", (n) => numbers.push(n));
    for (let n = 0; n < 200; n++) a.emit("test:emit", {}, "number", n);
    await until(() => numbers.length >= 200, () => `${numbers.length} of 200`);
    await delivers(a, b, `after ${round}`);
    assert.deepEqual(numbers, Array.from({ length: 200 }, (_, n) => n));
    b.off("number");
    const counts = await redis.client().pubsub("NUMSUB", "socket.io-request#/#", "socket.io-response#/#");
    assert.deepEqual([counts[1], counts[3]], [2, 2]); // once each
  }
  assert.ok((await one.metric("aivo_redis_connections_total")) >= 3);
  assert.match(one.stderr, /redis: 127\.0\.0\.1:\d+ is away/);
});

test("a password, a user, and wrong ones", async (t) => {
  const redis = await RedisServer.start(t, { args: ["--requirepass", "sesame", "--user", "aivo", "on", ">open", "~*", "&*", "+@all"] });
  const [plain, user, wrong, none] = await Promise.all([
    clusterServer(t, redis.port, { REDIS_PASSWORD: "sesame" }),
    clusterServer(t, redis.port, { REDIS_USERNAME: "aivo", REDIS_PASSWORD: "open" }),
    clusterServer(t, redis.port, { REDIS_PASSWORD: "wrong-password" }),
    clusterServer(t, redis.port),
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
    clusterServer(t, redis.port, { REDIS_HOST: "localhost", REDIS_PREFIX: "p*" }),
    clusterServer(t, redis.port, { REDIS_PREFIX: "p*" }),
    clusterServer(t, redis.port, { REDIS_PREFIX: "pq" }),
    clusterServer(t, redis.port, { REDIS_USERNAME: "narrow", REDIS_PASSWORD: "p" }),
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

// With the rules as docs/server.md has them: connected, broadcasts and claims of message ids; not a key or channel more.
test("the documented rules of a Redis user suffice", async (t) => {
  const documented = /^ +ACL SETUSER aivo on >PASSWORD (.+)$/m.exec(readFileSync(new URL("../../docs/server.md", import.meta.url), "utf8"));
  assert.ok(documented, "docs/server.md has them");
  const redis = await RedisServer.start(t, { args: ["--user", "aivo", "on", ">p", ...documented[1].split(" ")] });
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), REDIS_USERNAME: "aivo", REDIS_PASSWORD: "p" };
  const servers = await Promise.all([AivoServer.start(t, env), AivoServer.start(t, env)]);
  for (const server of servers) await is(server, 1);
  const [a, b] = await Promise.all(servers.map((server) => connected(t, server.url)));
  const got = Promise.all([a, b].map((socket) => event(socket, "told")));
  new Emitter(redis.client()).to("learner:L1").emit("told", 1);
  assert.deepEqual(await got, [1, 1]);
  const message = { action: "start_session", messageId: "once" };
  const first = await ask(a, "agent:learning", message);
  assert.deepEqual(await ask(b, "agent:learning", message), first, "the other instance knows the answer");
  for (const server of servers) {
    assert.equal(await server.metric('websocket_errors_total{type="redis"}'), 0);
    assert.doesNotMatch(server.stderr, /NOPERM/);
  }
  const log = await redis.client().call("ACL", "LOG");
  assert.deepEqual(log, [], "Redis refused nothing");
});

test("a Node server that loses Redis as well: both go on alone and together again", async (t) => {
  const redis = await RedisServer.start(t);
  const node = await nodeServer(t, redis);
  const one = await clusterServer(t, redis.port);
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
