/** The certificates that listeners show. */
import { StartError } from "../../cli/running-server.ts";
import { servedCertificates } from "../../config/settings-views.ts";
import { CertificateError } from "../../node/tls/certificates.ts";
import { CertificateStore } from "../../node/tls/certificate-store.ts";
import type { Opening } from "../plan/part.ts";

/** `offered`: whether a client may come to see it. */
export async function openCertificates(
  { settings, ports, parts }: Opening,
  { offered }: { readonly offered: boolean },
): Promise<CertificateStore> {
  const { files, clock, log } = ports;
  const { data_dir: dataDirectory, hostname } = settings;
  const served = servedCertificates(settings);
  try {
    const store = await CertificateStore.open({ served, offered, dataDirectory, hostname, files, clock, log });
    parts.add({
      name: "certificates",
      view: servedCertificates,
      prepare: (next) => store.prepare(next),
      stop: () => store[Symbol.asyncDispose](),
    });
    return store;
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new StartError("start-certificate", "tls", error.message, { cause: error });
  }
}
