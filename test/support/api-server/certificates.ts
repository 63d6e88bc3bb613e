/** A throwaway CA with a server and a client certificate, made by the openssl program. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

export interface Certificates {
  /** PEM of the CA. */
  readonly ca: string;
  /** For 127.0.0.1 and localhost. */
  readonly server: KeyPair;
  readonly client: KeyPair;
}

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Makes them in an existing folder, where they also stay as `ca.crt`, `client.key` and so on. */
export function makeCertificates(folder: string): Certificates {
  const openssl = (...args: string[]): unknown =>
    execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  openssl("req", "-x509", ...EC, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test-ca");
  const sign = (name: string, subject: string, extensions: string): KeyPair => {
    writeFileSync(join(folder, `${name}.ext`), extensions);
    openssl("req", ...EC, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", subject);
    const by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
    openssl("x509", "-req", "-in", `${name}.csr`, ...by, "-extfile", `${name}.ext`, "-out", `${name}.crt`);
    return { key: read(folder, `${name}.key`), cert: read(folder, `${name}.crt`) };
  };
  const server = sign("server", "/CN=api", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  const client = sign(
    "client",
    "/O=system:node-proxier/CN=system:kube-proxy",
    "extendedKeyUsage=clientAuth\n",
  );
  return { ca: read(folder, "ca.crt"), server, client };
}

function read(folder: string, file: string): string {
  return readFileSync(join(folder, file), "utf8");
}
