/**
 * Stands in for undici in the bundle. The Kubernetes library imports it for requests of its own, which this program does
 * not make; loading it would cost every proxy 5 MB and 20 ms.
 */
function leftOut() {
  throw new Error("undici is not part of the bundle");
}

export { leftOut as Agent, leftOut as fetch, leftOut as ProxyAgent };
