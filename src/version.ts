/** What this program says about itself. */

/** The Kubernetes release whose kube-proxy behaviour is implemented; `kubernetes_build_info` reports it too. */
export const KUBERNETES_VERSION = "v1.36.0";

/** This program's name and release, equal to package.json (a test compares them). */
export const PROGRAM_NAME = "kube-proxy-ts";
export const PROGRAM_VERSION = "0.1.0";
