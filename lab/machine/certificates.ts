// Keys and certificates of one lab: an authority, the host agent's side and the control plane's side.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@wrenn/linux";

export interface LabCertificates {
  ca: string;
  host: { cert: string; key: string };
  controlPlane: { cert: string; key: string };
}

const TIMEOUT_MS = 30_000;
const DAYS = "30";

/** Paths of the PEM files below a private directory. */
export function certificatePaths(dir: string): LabCertificates {
  const side = (name: string) => ({ cert: join(dir, `${name}.pem`), key: join(dir, `${name}.key`) });
  return { ca: join(dir, "ca.pem"), host: side("host"), controlPlane: side("control-plane") };
}

/** Makes all of them new. The host's certificate is for 127.0.0.1, where the lab's port is forwarded to. */
export async function makeCertificates(dir: string): Promise<LabCertificates> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const paths = certificatePaths(dir);
  const caKey = join(dir, "ca.key");
  await selfSigned({ name: "wrenn lab authority", cert: paths.ca, key: caKey });
  const ca = { cert: paths.ca, key: caKey };
  await signed({ ...paths.host, name: "host", extensions: "subjectAltName=IP:127.0.0.1\n", ca, dir });
  await signed({
    ...paths.controlPlane,
    name: "control-plane",
    extensions: "extendedKeyUsage=clientAuth\n",
    ca,
    dir,
  });
  return paths;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

async function selfSigned({ name, cert, key }: { name: string; cert: string; key: string }): Promise<void> {
  await openssl("req", [
    "-x509",
    ...NEW_KEY,
    "-days",
    DAYS,
    "-subj",
    `/CN=${name}`,
    "-keyout",
    key,
    "-out",
    cert,
  ]);
}

async function signed(options: {
  name: string;
  cert: string;
  key: string;
  extensions: string;
  ca: { cert: string; key: string };
  dir: string;
}): Promise<void> {
  const { name, cert, key, ca } = options;
  const request = join(options.dir, `${name}.csr`);
  const extensions = join(options.dir, `${name}.ext`);
  await openssl("req", ["-new", ...NEW_KEY, "-subj", `/CN=${name}`, "-keyout", key, "-out", request]);
  await writeFile(extensions, options.extensions);
  const sign = ["-in", request, "-CA", ca.cert, "-CAkey", ca.key, "-CAcreateserial"];
  await openssl("x509", ["-req", ...sign, "-days", DAYS, "-extfile", extensions, "-out", cert]);
}

async function openssl(command: string, args: readonly string[]): Promise<void> {
  await run(["openssl", command, ...args], { timeoutMs: TIMEOUT_MS });
}
