// packaging/nginx/aivo.conf, run by a real nginx in front of two servers: long polling sticks to one of them, WebSocket
// passes, and without the stickiness long polling fails as the document says.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { AivoServer, connected, event, client } from "./lib/aivo-server.mjs";
import { Child, slow, temporaryFolder, until } from "./lib/process.mjs";

const config = readFileSync(new URL("../../packaging/nginx/aivo.conf", import.meta.url), "utf8");

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function startNginx(t, servers, change = (text) => text) {
  const folder = temporaryFolder(t);
  const port = await freePort();
  const text = change(config)
    .replace("listen 80;", `listen 127.0.0.1:${port};`)
    .replace("server 127.0.0.1:4003;", `server 127.0.0.1:${servers[0].port};`)
    .replace("server 127.0.0.1:4004;", `server 127.0.0.1:${servers[1].port};`);
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  writeFileSync(join(folder, "nginx.conf"), `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events {}
http { access_log off; ${paths.join(" ")}
${text}
}`);
  const checked = spawnSync("/usr/sbin/nginx", ["-t", "-p", folder, "-c", join(folder, "nginx.conf")], { encoding: "utf8" });
  assert.equal(checked.status, 0, checked.stderr);
  new Child(t, "/usr/sbin/nginx", ["-p", folder, "-c", join(folder, "nginx.conf")]);
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(`${url}/socket.io/?EIO=4&transport=polling`).then((r) => r.status === 200, () => false), "nginx answers");
  return url;
}

test("long polling sticks to an instance, and WebSocket passes", async (t) => {
  const servers = [await AivoServer.start(t), await AivoServer.start(t)];
  const url = await startNginx(t, servers);
  for (const transports of [["polling"], ["polling", "websocket"], ["websocket"]]) {
    const socket = await connected(t, url, { transports });
    for (let i = 0; i < 10; i++) {
      const answer = await socket.timeout(5000 * slow).emitWithAck("agent:learning", { action: "start_session" });
      assert.equal(answer.success, true);
    }
    if (transports.length === 2) await until(() => socket.io.engine.transport.name === "websocket", "the upgrade");
    socket.disconnect();
  }
});

test("without stickiness long polling fails, and WebSocket does not", async (t) => {
  const servers = [await AivoServer.start(t), await AivoServer.start(t)];
  const url = await startNginx(t, servers, (text) => text.replace("hash $remote_addr consistent;", ""));
  const socket = client(t, url, { transports: ["polling"] });
  await assert.rejects(event(socket, "connect", 3000), /xhr p(oll|ost) error/);
  const direct = await connected(t, url, { transports: ["websocket"] });
  assert.equal((await direct.timeout(5000 * slow).emitWithAck("agent:learning", { action: "start_session" })).success, true);
});

test("an instance that is gone: new connections get the other one", async (t) => {
  const servers = [await AivoServer.start(t), await AivoServer.start(t)];
  const url = await startNginx(t, servers);
  servers[0].kill("SIGTERM");
  await until(() => servers[0].ended, "the first has ended");
  for (let i = 0; i < 4; i++) {
    const socket = await connected(t, url, { transports: ["websocket"] });
    socket.disconnect();
  }
});
