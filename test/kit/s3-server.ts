import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import net from "node:net";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { tempDirectory } from "./folder.ts";
import { s3Program } from "./s3-program.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A real S3 server on loopback, on a data folder of its own. */
export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  readonly pid: number | undefined;
  /** Makes an empty bucket and gives its name. */
  bucket(): Promise<string>;
  /** Settings that have `millrace up` keep its objects in the bucket, below the prefix. */
  environment(bucket: string, prefix?: string): Record<string, string>;
  /** Ends the server's process at once, as a crash would; its data stays. */
  kill(): Promise<void>;
  /** Starts it again on the same address and data. */
  restart(): Promise<void>;
}

const region = "us-east-1";
const readyWithinMs = 30_000;

/** Starts the S3 server that `npm run s3-server` has built; see `s3ServerAbsent`. */
export async function startS3Server(): Promise<S3Server> {
  const folder = await tempDirectory();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: "millrace", secretAccessKey: randomBytes(12).toString("hex") };
  const data = `${folder.path}/data`;
  await mkdir(data);
  let running = await startProcess(port, data, credentials);
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
  const end = async (signal: NodeJS.Signals) => {
    if (running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, "exit");
    running.kill(signal);
    await gone;
  };
  return {
    endpoint,
    region,
    credentials,
    get pid() {
      return running.pid;
    },
    async bucket() {
      const name = `test-${randomBytes(6).toString("hex")}`;
      await client.send(new CreateBucketCommand({ Bucket: name }));
      return name;
    },
    environment: (bucket, prefix) => ({
      MILLRACE_OBJECT_STORE: prefix === undefined ? `s3://${bucket}` : `s3://${bucket}/${prefix}`,
      MILLRACE_S3_ENDPOINT: endpoint,
      MILLRACE_S3_REGION: region,
      MILLRACE_S3_ACCESS_KEY_ID: credentials.accessKeyId,
      MILLRACE_S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    }),
    kill: () => end("SIGKILL"),
    async restart() {
      await end("SIGKILL");
      running = await startProcess(port, data, credentials);
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await end("SIGKILL"); // nothing of it is kept
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function startProcess(port: number, data: string, credentials: S3Credentials): Promise<ChildProcess> {
  const child = spawn(s3Program.file, ["server", "--quiet", "--address", `127.0.0.1:${port}`, data], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH ?? "",
      HOME: data,
      MINIO_ROOT_USER: credentials.accessKeyId,
      MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
      MINIO_BROWSER: "off",
      MINIO_UPDATE: "off",
      MINIO_CI_CD: "1", // its disk may be the system's
    },
  });
  const atExit = () => child.kill("SIGKILL");
  process.once("exit", atExit);
  child.once("exit", () => process.off("exit", atExit));
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-10_000);
    });
  const giveUpMs = performance.now() + readyWithinMs;
  while (!(await isReady(port))) {
    if (child.exitCode !== null || performance.now() > giveUpMs) {
      child.kill("SIGKILL");
      throw new Error(`the S3 server did not start:\n${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return child;
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/minio/health/ready`)).ok;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
