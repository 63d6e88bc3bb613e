/** Client side of the agent: one connection attempt, reduced to a {@link ProbeOutcome}. */
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import type { ProbeOutcome, ProbeRequest } from "./agent-protocol.ts";
import { sourcePorts } from "./source-ports.ts";

/**
 * Runs all attempts of a request; the answers come in no particular order. Many requests may be made at once: attempts wait
 * their turn, UDP ones in a shorter queue, because a server's receive buffer holds some 270 datagrams and nobody resends.
 */
export function probe(request: ProbeRequest): Promise<ProbeOutcome[]> {
  const { limited, attempt } = WAYS[request.protocol];
  return Promise.all(Array.from({ length: request.count }, () => limited(() => attempt(request))));
}

/** Makes one attempt at once, from the given source port. */
export function probeOnce(request: ProbeRequest): Promise<ProbeOutcome> {
  return CONNECT[request.protocol](request);
}

const CONNECT = { TCP: probeTcp, UDP: probeUdp };
const WAYS = {
  TCP: { limited: limiter(200), attempt: withOwnPort },
  UDP: { limited: limiter(40), attempt: withOwnPort },
};

/**
 * Without being told, the system may give a client the port of a connection that it had with another Service. To IPVS both
 * then look alike when the same endpoint answers: it tells connections apart by the client's and the endpoint's address.
 */
const nextSourcePort = sourcePorts(33_000, 27_000);

async function withOwnPort(request: ProbeRequest): Promise<ProbeOutcome> {
  if (request.sourcePort !== undefined) return probeOnce(request);
  for (;;) {
    const outcome = await probeOnce({ ...request, sourcePort: nextSourcePort() });
    if (outcome !== "error EADDRINUSE") return outcome;
  }
}

/** Lets at most `max` pieces of work be under way at once, the others in order of arrival. */
function limiter(max: number): <T>(work: () => Promise<T>) => Promise<T> {
  let underWay = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (underWay >= max) await new Promise<void>((resolve) => waiting.push(resolve));
    else underWay++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else underWay--;
    }
  };
}

function probeTcp({ host, port, source, sourcePort, timeoutMs }: ProbeRequest): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      ...(source === undefined ? {} : { localAddress: source }),
      ...(sourcePort === undefined ? {} : { localPort: sourcePort }),
    });
    let text = "";
    const finish = (outcome: ProbeOutcome): void => {
      clearTimeout(timer);
      // A reset frees the connection on both sides and in conntrack; a normal close would leave TIME_WAIT.
      socket.resetAndDestroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => finish("timeout"), timeoutMs);
    socket.setEncoding("utf8");
    socket.on("data", (chunk) => {
      text += chunk;
      if (text.endsWith("\n")) finish(parseAnswer(text));
    });
    socket.on("error", (error) => finish(outcomeOf(error)));
  });
}

/** Uses a connected socket: only such a one is told of ICMP errors and refuses answers from elsewhere. */
function probeUdp({ host, port, source, sourcePort, timeoutMs }: ProbeRequest): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    const finish = (outcome: ProbeOutcome): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on("error", () => {});
      socket.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => finish("timeout"), timeoutMs);
    socket.on("message", (message) => finish(parseAnswer(message.toString("utf8"))));
    socket.on("error", (error) => finish(outcomeOf(error)));
    const send = (): void => {
      socket.connect(port, host, (failed?: Error) => {
        if (failed) return finish(outcomeOf(failed));
        socket.send("?\n", (error) => {
          // A local DROP or REJECT reports EPERM; what tells them apart is the ICMP error that follows a REJECT.
          if (error && (error as NodeJS.ErrnoException).code !== "EPERM") finish(outcomeOf(error));
        });
      });
    };
    if (source === undefined && sourcePort === undefined) send();
    else socket.bind(sourcePort, source, send);
  });
}

function parseAnswer(line: string): ProbeOutcome {
  const [answeredBy = "", seenSource = ""] = line.trim().split(" ");
  return { answeredBy, seenSource };
}

function outcomeOf(error: Error): ProbeOutcome {
  const code = (error as NodeJS.ErrnoException).code ?? error.message;
  return code === "ECONNREFUSED" ? "refused" : `error ${code}`;
}
