/** A process that starts a relay and ends in the way that its argument says. */
import { Relay } from "../../../src/relay/relay.ts";

const relay = await Relay.start({
  listeners: [{ source: "node", family: "IPv4", protocol: "TCP", host: "127.0.0.1", port: 0 }],
});
console.log(`listening ${(relay.ports[0] ?? 0) > 0}`);
const [, , how] = process.argv;
if (how === "exit") process.exit(3);
if (how === "throw") setTimeout(() => Promise.reject(new Error("on purpose")), 10);
if (how === "stop") {
  await relay.stop({ graceMs: 0 });
  console.log("stopped");
}
