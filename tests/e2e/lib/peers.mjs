// Servers that nobody here wrote, in this process, on a port of the system's choice.
import http from "node:http";
import https from "node:https";
import { once } from "node:events";
import { createRequire } from "node:module";
import { Server } from "socket.io";

const require = createRequire(import.meta.url);
export const jwt = require("jsonwebtoken");

export const secret = "e2e-secret-of-at-least-32-characters";
export const token = (claims = {}, options = { expiresIn: "1h" }, key = secret) =>
  jwt.sign({ userId: "learner-1", ...claims }, key, options);

export async function listen(server, port = 0) {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

// A socket.io server. `crash()` cuts every connection without a word and frees the port; `close()` says goodbye.
export class Peer {
  static async start(t, options = {}, { port = 0, tls = null } = {}) {
    const peer = new Peer();
    peer.http = tls ? https.createServer(tls) : http.createServer();
    peer.sockets = new Set();
    peer.accepted = 0;
    peer.http.on("connection", (socket) => {
      peer.accepted++;
      peer.sockets.add(socket);
      socket.on("close", () => peer.sockets.delete(socket));
    });
    peer.io = new Server(peer.http, options);
    peer.port = await listen(peer.http, port);
    peer.url = `${tls ? "https" : "http"}://127.0.0.1:${peer.port}`;
    t.after(() => peer.crash());
    return peer;
  }

  // Resolves with the next socket of a namespace.
  connection(nsp = "/") {
    return new Promise((resolve) => this.io.of(nsp).once("connection", resolve));
  }

  async crash() {
    if (this.down) return;
    this.down = true;
    const closed = once(this.http, "close");
    this.http.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
    this.io.close();
  }

  async close() {
    if (this.down) return;
    this.down = true;
    await this.io.close();
  }
}
