import http from "node:http";
import type { Platform } from "../test/kit/platform.ts";

/** Runs a query over HTTP on a kept connection and gives the whole JSON reply as text. */
export function httpSql(platform: Platform, agent: http.Agent, sql: string): Promise<string> {
  const headers = { authorization: `Bearer ${platform.token}`, "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const request = http.request(new URL("/api/v1/sql", platform.url), { method: "POST", agent, headers }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on("data", (chunk: Buffer) => chunks.push(chunk));
      reply.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        if (reply.statusCode === 200) resolve(text);
        else reject(new Error(`the query answered ${reply.statusCode}: ${text}`));
      });
    });
    request.on("error", reject);
    request.end(JSON.stringify({ sql, format: "json" }));
  });
}
