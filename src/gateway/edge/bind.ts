import { readFile } from "node:fs/promises";
import { createServer, isIPv4, isIPv6 } from "node:net";
import { createSecureContext } from "node:tls";
import { MillraceError } from "../../base/index.ts";

export interface BindOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** PEM files; both or none. */
  readonly tlsCertificate: string | null;
  readonly tlsKey: string | null;
  /** Allows a public address without TLS. */
  readonly allowPlaintext: boolean;
}

export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Whether only this machine can reach the address. A name other than `localhost` may resolve to anything: no. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (isIPv4(bare)) return bare.startsWith("127.");
  if (isIPv6(bare)) return bare === "::1" || bare === "0:0:0:0:0:0:0:1" || /^::ffff:127\./.test(bare);
  return bare === "localhost";
}

/** Where a client on this machine goes: an address that stands for all of them is none to go to. */
export function reachableHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

/** Whether the port can be had now; asked before a server makes anything. @throws unavailable when it is taken */
export async function checkPort({ host, port }: BindOptions): Promise<void> {
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once("error", reject);
      probe.listen({ host, port }, resolve);
    });
  } catch (cause) {
    throw cannotListen(host, port, cause);
  } finally {
    probe.close();
  }
}

export function cannotListen(host: string, port: number, cause: unknown): MillraceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError("unavailable", `Cannot listen on ${host} port ${port}: ${reason}.`, {
    hint: "Is another server running? Choose another --port.",
    cause,
  });
}

/**
 * The TLS files, or null for plaintext.
 * @throws bad_config for a public address without TLS that was not allowed, and for files that are missing or do not fit.
 */
export async function decideTls(options: BindOptions): Promise<TlsFiles | null> {
  const { host, tlsCertificate, tlsKey, allowPlaintext } = options;
  if (tlsCertificate === null && tlsKey === null) {
    if (isLoopback(host) || allowPlaintext) return null;
    throw new MillraceError("bad_config", `Listening on ${host} without TLS would send tokens in the clear.`, {
      hint: "Set http.tlsCertificate and http.tlsKey, or http.allowPlaintext=true behind a proxy that ends TLS.",
    });
  }
  if (tlsCertificate === null || tlsKey === null) {
    throw new MillraceError("bad_config", "TLS needs both http.tlsCertificate and http.tlsKey.");
  }
  const files = { cert: await readPem(tlsCertificate, "certificate"), key: await readPem(tlsKey, "key") };
  try {
    createSecureContext(files);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new MillraceError(
      "bad_config",
      `The TLS certificate ${tlsCertificate} and key ${tlsKey} do not fit: ${said}.`,
      {
        hint: "Both are PEM files, and the key is the certificate's own.",
        cause,
      },
    );
  }
  return files;
}

async function readPem(file: string, what: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new MillraceError("bad_config", `The TLS ${what} ${file} cannot be read.`, { cause });
  }
}
