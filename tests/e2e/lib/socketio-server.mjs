// A socket.io server as a process of its own, so that it can be stopped or killed. Prints "port N".
// argv: PORT, options as JSON
import http from "node:http";
import { Server } from "socket.io";

const [port, options] = process.argv.slice(2);
const server = http.createServer();
const io = new Server(server, JSON.parse(options || "{}"));
io.on("connection", (socket) => {
  console.log(`connection ${socket.id}`);
  socket.on("disconnect", (reason) => console.log(`disconnect ${reason}`));
  socket.on("echo", (...args) => args.pop()(...args));
});
server.listen(Number(port || 0), "127.0.0.1", () => console.log(`port ${server.address().port}`));
process.on("SIGTERM", () => process.exit(0));
