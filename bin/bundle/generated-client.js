/**
 * Stands in for the Kubernetes library's generated client in the bundle. Requests are the program's own, and loading the
 * client would cost every proxy megabytes.
 */
function leftOut() {
  throw new Error("the generated client is not part of the bundle");
}

export { leftOut as createConfiguration, leftOut as ServerConfiguration };
