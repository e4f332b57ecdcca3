// An HTTP proxy that knows CONNECT and nothing else.
import http from "node:http";
import net from "node:net";
import { listen } from "./peers.mjs";

export async function connectProxy(t, { credentials = null, refuse = 0, names = {} } = {}) {
  const proxy = { requests: [] };
  const sockets = new Set();
  const server = http.createServer((req, res) => {
    proxy.requests.push(`${req.method} ${req.url}`);
    res.writeHead(405).end();
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.on("connect", (req, client, head) => {
    proxy.requests.push(`CONNECT ${req.url}`);
    const given = Buffer.from((req.headers["proxy-authorization"] || "").replace(/^Basic /, ""), "base64").toString();
    if (refuse) return client.end(`HTTP/1.1 ${refuse} No\r\nContent-Length: 0\r\n\r\n`);
    if (credentials && given !== credentials)
      return client.end("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n");
    const [host, port] = req.url.split(":");
    const upstream = net.connect(Number(port), names[host] || host, () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    sockets.add(upstream);
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
    client.on("close", () => upstream.destroy());
  });
  proxy.port = await listen(server);
  proxy.url = `http://127.0.0.1:${proxy.port}`;
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return proxy;
}
