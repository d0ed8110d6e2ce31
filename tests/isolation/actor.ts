// One inhabitant of a network namespace: answers whoever reaches it, and connects where it is told to.
//
// Started by `Namespace.enter()`. A line of JSON on standard input is an Attempt, one on standard output
// an Outcome; the first line is "ready". Ends with its standard input.
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";

/** Ports that every actor answers on: a service, the guest agent's, and a resolver's. */
export const PORTS = { service: 8080, agent: 49983, dns: 53 } as const;

export interface Attempt {
  id: number;
  protocol: "tcp" | "udp";
  address: string;
  port: number;
  /** Source address, when not the usual one. */
  from?: string;
  timeoutMs: number;
}

export interface Outcome {
  id: number;
  /** Who answered, and as whom it saw the caller; undefined when nobody did. */
  answer?: { name: string; peer: string };
}

function answerTcp(name: string, port: number): Promise<void> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end(JSON.stringify({ name, peer: socket.remoteAddress?.replace(/^::ffff:/, "") }));
  });
  return new Promise((resolve) => server.listen({ port, host: "::" }, resolve));
}

/** Bound to one address, because an answer must come from the address that was asked. */
function answerUdp(name: string, address: string, port: number): Promise<void> {
  const socket = createSocket("udp4");
  socket.on("message", (_, peer) => {
    socket.send(JSON.stringify({ name, peer: peer.address }), peer.port, peer.address);
  });
  return new Promise((resolve) => socket.bind(port, address, resolve));
}

function attempt({ protocol, address, port, from, timeoutMs }: Attempt): Promise<string | undefined> {
  return protocol === "udp" ? askUdp(address, port, timeoutMs) : askTcp({ address, port, from, timeoutMs });
}

function askTcp(to: { address: string; port: number; from: string | undefined; timeoutMs: number }) {
  return new Promise<string | undefined>((resolve) => {
    const socket = connect({ host: to.address, port: to.port, ...(to.from && { localAddress: to.from }) });
    let text = "";
    const timer = setTimeout(() => socket.destroy(), to.timeoutMs);
    socket.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    socket
      .on("error", () => {})
      .on("close", () => {
        clearTimeout(timer);
        resolve(text || undefined);
      });
  });
}

function askUdp(address: string, port: number, timeoutMs: number) {
  return new Promise<string | undefined>((resolve) => {
    const socket = createSocket("udp4");
    const finish = (text?: string) => {
      clearTimeout(timer);
      socket.close();
      resolve(text);
    };
    const timer = setTimeout(finish, timeoutMs);
    socket.on("message", (message) => finish(message.toString())).on("error", () => finish());
    socket.send("question", port, address);
  });
}

if (import.meta.main) {
  const [, , name = "", resolver = ""] = process.argv;
  await Promise.all(Object.values(PORTS).map((port) => answerTcp(name, port)));
  if (resolver) await answerUdp(name, resolver, PORTS.dns);
  console.log("ready");
  const input = createInterface({ input: process.stdin });
  input.on("line", async (line) => {
    const request = JSON.parse(line) as Attempt;
    const text = await attempt(request);
    const outcome: Outcome = { id: request.id, ...(text && { answer: JSON.parse(text) }) };
    console.log(JSON.stringify(outcome));
  });
  input.on("close", () => process.exit(0));
}
