import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { firstLoad, weight } from "../../test/browser/load.ts";
import { browserAbsent, enter, openBrowser, visit } from "../../test/browser/open.ts";
import { startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory, median } from "../benchmark.ts";

const rounds = 11;

/**
 * The console's home, opened by a browser that has nothing cached: when its heading stands, against how long such a browser takes
 * to open an empty page of the same server and to fetch the same files there, without running them. And what its first load
 * weighs, in kilobytes by gzip.
 */
export const benchmark: Benchmark = async (tell) => {
  if (browserAbsent !== null) throw new Error(browserAbsent);
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "console-"));
  try {
    await using platform = await startPlatform({ dataDirectory, flags: ["--example"] });
    const browser = await openBrowser();
    await using _closing = { [Symbol.asyncDispose]: () => browser.close() };
    const { page, context } = await visit(browser);
    await enter(page, platform);
    const signed = await context.storageState();
    await context.close();
    const times: { readonly homeMs: number; readonly bytesMs: number }[] = [];
    let bytes = 0;
    for (let round = 0; round <= rounds; round++) {
      const { files, firstContentMs: homeMs } = await firstLoad(browser, `${platform.url}/`, signed);
      const bytesMs = await fetched(
        browser,
        `${platform.url}/healthz`,
        files.map((file) => file.path),
      );
      bytes = weight(files);
      if (round === 0) continue; // The first of all warms the browser and the server.
      times.push({ homeMs, bytesMs });
      tell(`round ${round}: home ${homeMs.toFixed(0)} ms, its bytes alone ${bytesMs.toFixed(0)} ms`);
    }
    const homeMs = median(times.map((one) => one.homeMs));
    const bytesMs = median(times.map((one) => one.bytesMs));
    tell(`medians: home ${homeMs.toFixed(0)} ms, its bytes alone ${bytesMs.toFixed(0)} ms`);
    return [
      { part: "home", ratio: homeMs / bytesMs, bar: 5, atMost: true },
      { part: "kilobytes", ratio: bytes / 1_000, bar: 250, atMost: true },
    ];
  } finally {
    rmSync(dataDirectory, { recursive: true, force: true });
  }
};

/** From the start of the navigation to an empty page until it has fetched some files of its server. */
async function fetched(browser: Browser, address: string, paths: readonly string[]): Promise<number> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(address);
    const startMs = performance.now();
    const emptyMs = Number(
      await page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"),
    );
    const fetching = `Promise.all(${JSON.stringify(paths)}.map((path) => fetch(path).then((file) => file.arrayBuffer()))).then(() => null)`;
    await page.evaluate(fetching);
    return emptyMs + performance.now() - startMs;
  } finally {
    await context.close();
  }
}
