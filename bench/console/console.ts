import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { firstLoad, weight } from "../../test/browser/load.ts";
import { browserAbsent, enter, openBrowser, visit } from "../../test/browser/open.ts";
import { startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory, median } from "../benchmark.ts";

const rounds = 11;

/**
 * The console's home, opened by a browser that has nothing cached: when its heading stands, against when the browser has
 * shown an empty page of the same server. And what its first load weighs, in kilobytes by gzip.
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
    const ratios: number[] = [];
    let bytes = 0;
    for (let round = 0; round <= rounds; round++) {
      const emptyMs = await emptyPage(browser, `${platform.url}/healthz`);
      const { files, firstContentMs } = await firstLoad(browser, `${platform.url}/`, signed);
      bytes = weight(files);
      if (round === 0) continue; // The first of all warms the browser and the server.
      ratios.push(firstContentMs / emptyMs);
      tell(`round ${round}: home ${firstContentMs.toFixed(0)} ms, an empty page ${emptyMs.toFixed(0)} ms`);
    }
    return [
      { part: "home", ratio: median(ratios), bar: 12, atMost: true },
      { part: "kilobytes", ratio: bytes / 1_000, bar: 250, atMost: true },
    ];
  } finally {
    rmSync(dataDirectory, { recursive: true, force: true });
  }
};

async function emptyPage(browser: Browser, address: string): Promise<number> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(address);
    return Number(await page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"));
  } finally {
    await context.close();
  }
}
