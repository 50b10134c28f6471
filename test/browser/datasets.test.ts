import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { browserAbsent, enter, keepPicture, openBrowser, violations, visit } from "./open.ts";

const held = new AsyncDisposableStack();
let platform: Platform;
let browser: Browser;
let folder: string;

beforeAll(async () => {
  if (browserAbsent !== null) return;
  folder = held.use(await tempDirectory()).path;
  platform = held.use(await startPlatform({ dataDirectory: path.join(folder, "data") }));
  browser = await openBrowser();
  held.defer(() => browser.close());
});
afterAll(() => held.disposeAsync());

const journey = test.skipIf(browserAbsent !== null);

async function request(method: string, address: string, body: string, type = "application/json"): Promise<unknown> {
  const response = await fetch(`${platform.url}${address}`, {
    method,
    headers: { authorization: `Bearer ${platform.token}`, "content-type": type },
    body,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return JSON.parse(text);
}

const rows = (dataset: string, text: string, format: string) =>
  request("POST", `/api/v1/projects/web/datasets/${dataset}/rows?create=true&ack=committed&format=${format}`, text);

async function fileOf(name: string, text: string): Promise<string> {
  const file = path.join(folder, "files", name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
}

journey("a file with a hostile name and hostile values is sent once, and shown as the text that it is", async () => {
  const { page, context, problems } = await visit(browser);
  await enter(page, platform, "/upload");
  const name = 'b\u202Egnp <img src=x onerror="document.title=1">.csv';
  const text = `"<script>document.title=2</script>",n\n"<b>bold</b>\u202Eevil",1\n"<img src=x onerror=document.title=3>",2\n`;
  const file = await fileOf(name, text);
  for (const title of ["The rows are in the chain", "It was there already: nothing was stored twice"]) {
    await page.locator('input[type="file"]').setInputFiles(file);
    await page.getByRole("row", { name: /<script>/ }).waitFor();
    await page.getByRole("combobox", { name: "Project", exact: true }).fill("web");
    await page.getByRole("combobox", { name: "Dataset", exact: true }).fill("hostile");
    await page.getByRole("button", { name: /Create the dataset|Add the rows/ }).click();
    await page.getByRole("heading", { name: title }).waitFor();
    expect(await page.getByText("⟨U+202E⟩gnp").count()).toBeGreaterThan(0);
    if (title.startsWith("The")) await page.getByRole("button", { name: "Upload another" }).click();
  }
  await page.getByRole("link", { name: "Open the dataset" }).click();
  const parts = page.getByRole("navigation", { name: "Parts of the dataset" });
  for (const part of ["Schema", "Sample"]) {
    await parts.getByRole("link", { name: part }).click();
    await page.getByText("<b>bold</b>⟨U+202E⟩evil").first().waitFor();
    await page.getByText("<script>document.title=2</script>").first().waitFor();
  }
  expect(await page.locator("main img, main script").count()).toBe(0);
  expect(await page.title()).toBe("Millrace");
  await context.close();
  expect(problems).toEqual([]);
});

journey("a dataset is seen as of any block, in every part, and comes back to now", async () => {
  for (const n of [1, 2, 3]) await rows("times", `{"n":${n}}\n`, "ndjson");
  const { page, context, problems } = await visit(browser);
  await enter(page, platform, "/datasets/web/times/chain");
  await page.getByRole("link", { name: "As of here: block 3" }).click();
  await page.getByText("You see the dataset as of").waitFor();
  const parts = page.getByRole("navigation", { name: "Parts of the dataset" });
  await parts.getByRole("link", { name: "Sample" }).click();
  await page.getByRole("heading", { name: "2 rows" }).waitFor();
  await page.getByRole("link", { name: "Earlier" }).click();
  await page.getByRole("heading", { name: "1 row" }).waitFor();
  expect(new URL(page.url()).searchParams.get("seq")).toBe("2");
  await page.reload();
  await page.getByRole("heading", { name: "1 row" }).waitFor();
  await page.getByRole("link", { name: "Back to now" }).click();
  await page.getByRole("heading", { name: "3 rows" }).waitFor();
  await context.close();
  expect(problems).toEqual([]);
});

journey("what was quarantined goes in after its column was mended, and once", async () => {
  await request(
    "PUT",
    "/api/v1/projects/web/resources/Dataset/mend",
    '{"spec":{"columns":[{"name":"n","type":"INTEGER"}]}}',
  );
  await rows("mend", "m,n\na,1\nb,3000000000\nc,4000000000\n", "csv");
  const { page, context, problems } = await visit(browser);
  await enter(page, platform, "/datasets/web/mend/quarantine");
  await page.getByRole("cell", { name: "b,3000000000" }).waitFor();
  await page.getByRole("button", { name: "Let values widen it" }).click();
  await page.getByText("No types are declared").waitFor();
  await page.getByRole("button", { name: "Retry all" }).click();
  await page.getByText("2 appended").waitFor();
  await page.getByRole("button", { name: "Retry all" }).click();
  await page.getByText("2 were sent before").waitFor();
  await page.getByRole("navigation", { name: "Parts of the dataset" }).getByRole("link", { name: "Sample" }).click();
  await page.getByRole("cell", { name: "4000000000" }).waitFor();
  await page.getByRole("heading", { name: "3 rows" }).waitFor();
  await context.close();
  expect(problems).toEqual([]);
});

journey("rows of another kind go in after their column was declared as text", async () => {
  await rows("kinds", "n,m\n1,a\n2,b\n", "csv");
  await rows("kinds", "n,m\nthree,c\n4,d\n", "csv");
  const { page, context, problems } = await visit(browser);
  await enter(page, platform, "/datasets/web/kinds/quarantine");
  await page.getByRole("cell", { name: "three,c" }).waitFor();
  await page.getByLabel("Column", { exact: true }).selectOption("n");
  await page.getByLabel("Becomes").selectOption("VARCHAR");
  await page.getByRole("button", { name: "Declare the type" }).click();
  await page.getByText("n becomes VARCHAR with the next rows. Retry the rows.").waitFor();
  await keepPicture(page, "declared");
  expect(await violations(page)).toEqual([]);
  await page.getByRole("button", { name: "Retry all" }).click();
  await page.getByText("1 appended").waitFor();
  await page.getByRole("navigation", { name: "Parts of the dataset" }).getByRole("link", { name: "Sample" }).click();
  await page.getByRole("heading", { name: "4 rows" }).waitFor();
  for (const value of ["1", "2", "three", "4"])
    await page.getByRole("cell", { name: value, exact: true }).first().waitFor();
  await context.close();
  expect(problems).toEqual([]);
});

journey("a copy says what it is a copy of, and takes no rows", async () => {
  await rows("there", '{"n":1}\n{"n":2}\n', "ndjson");
  await using other = await startPlatform({ dataDirectory: path.join(folder, "other") });
  const origin = `${platform.url}/odf/web/there`;
  const pulled = await millrace(["pull", origin, "--as", "mirror.there"], other, {
    MILLRACE_ORIGIN_TOKEN: platform.token,
  });
  expect(pulled.code, pulled.stderr).toBe(0);
  const { page, context, problems } = await visit(browser);
  await enter(page, other, "/datasets/mirror/there");
  await page.getByText("A read-only copy of").getByText(origin).waitFor();
  await page.getByText(`./millrace pull ${origin} --as mirror.there`).waitFor();
  expect(await page.getByRole("link", { name: "Add rows" }).count()).toBe(0);
  await keepPicture(page, "copy");
  expect(await violations(page)).toEqual([]);
  await enter(page, platform, "/datasets/web/there");
  await page.getByRole("link", { name: "Add rows" }).waitFor();
  expect(await page.getByText("A read-only copy of").count()).toBe(0);
  await context.close();
  expect(problems).toEqual([]);
});

journey("the list of datasets follows commits without being asked for again, and finds new ones", async () => {
  await rows("flowing", '{"n":1}\n', "ndjson");
  const { page, context, problems } = await visit(browser);
  await enter(page, platform, "/datasets?find=flowing");
  const row = page.getByRole("row").filter({ hasText: "web.flowing" });
  await row.getByRole("cell", { name: "1", exact: true }).waitFor();
  await page.getByText("Live", { exact: true }).waitFor();
  const asked: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).pathname === "/api/v1/datasets") asked.push(request.url());
  });
  for (let n = 2; n <= 5; n++) {
    await rows("flowing", `{"n":${n}}\n`, "ndjson");
    await row.getByRole("cell", { name: String(n), exact: true }).waitFor();
  }
  expect(asked).toEqual([]);
  await rows("flowing-too", '{"n":1}\n', "ndjson");
  await page.getByRole("link", { name: "web.flowing-too" }).waitFor();
  expect(asked.length).toBeGreaterThan(0);
  await context.close();
  expect(problems).toEqual([]);
});

journey("a dataset goes only by its typed name", async () => {
  await rows("gone", '{"n":1}\n', "ndjson");
  const { page, context, problems } = await visit(browser);
  await enter(page, platform, "/datasets/web/gone");
  await page.getByRole("button", { name: "What can be done with this dataset" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  const really = page.getByRole("button", { name: "Delete the dataset" });
  await page.getByLabel("Type web.gone to delete it").fill("web.gon");
  expect(await really.isDisabled()).toBe(true);
  await page.getByLabel("Type web.gone to delete it").fill("web.gone");
  await really.click();
  await page.getByRole("heading", { name: "Datasets", exact: true }).waitFor();
  await page.getByText("web.gone is deleted.").waitFor();
  expect(await page.getByRole("link", { name: "web.gone" }).count()).toBe(0);
  await context.close();
  expect(problems).toEqual([]);
});

journey(
  "several files that are dropped at once go one after the other, and what became of each is listed",
  async () => {
    const { page, context, problems } = await visit(browser);
    await enter(page, platform, "/datasets");
    await page.getByRole("heading", { name: "Datasets", exact: true }).waitFor();
    await page.evaluate(`(() => {
    const dropped = new DataTransfer();
    dropped.items.add(new File(["n\\n1\\n2\\n"], "one.csv"));
    dropped.items.add(new File(['{"n":1}\\n'], "two.ndjson"));
    dropped.items.add(new File(["n,m\\n1,1\\n2,2,2\\n"], "three.csv"));
    window.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, cancelable: true }));
  })()`);
    // The page of before has a choice of projects, too.
    await page.getByRole("heading", { name: "Upload files" }).waitFor();
    await page.getByLabel("Project", { exact: true }).fill("batch");
    const row = (name: string) => page.getByRole("row").filter({ hasText: name });
    expect(await row("two.ndjson").getByText("batch.two").count()).toBe(1);
    await page.getByRole("button", { name: "Send 3 files" }).click();
    await page.getByRole("button", { name: "Upload others" }).waitFor();
    await keepPicture(page, "upload-batch");
    expect(await violations(page)).toEqual([]);
    await row("one.csv").getByRole("link", { name: "2 rows" }).waitFor();
    await row("two.ndjson").getByRole("link", { name: "1 row", exact: true }).waitFor();
    await row("three.csv").getByRole("link", { name: "1 quarantined" }).waitFor();
    await row("one.csv").getByRole("link", { name: "2 rows" }).click();
    await page.getByRole("heading", { name: "batch.one" }).waitFor();
    // What happened before a page was opened is there when it opens.
    await page.goto(`${platform.url}/events?find=batch.one`);
    await page.getByRole("row", { name: /batch\.one \+2 rows/ }).waitFor();
    await context.close();
    expect(problems).toEqual([]);
  },
);

journey("labels filter the datasets of more than a hundred projects", async () => {
  const labelled = async (number: number) => {
    const project = `many-${number}`;
    await request("PUT", `/api/v1/resources/Project/${project}`, '{"spec":{}}');
    const labels = { team: number % 50 === 49 ? "far" : "near" };
    const spec = { columns: [{ name: "n", type: "INTEGER" }] };
    await request("PUT", `/api/v1/projects/${project}/resources/Dataset/d`, JSON.stringify({ labels, spec }));
  };
  const projects = Array.from({ length: 150 }, (_, number) => number);
  for (let from = 0; from < projects.length; from += 10)
    await Promise.all(projects.slice(from, from + 10).map(labelled));
  const { page, context, problems } = await visit(browser);
  await enter(page, platform, "/datasets");
  await page.getByLabel("Label", { exact: true }).selectOption("team=far");
  await page.getByText(/^3 of/).waitFor();
  for (const number of [49, 99, 149]) await page.getByRole("link", { name: `many-${number}.d` }).waitFor();
  await context.close();
  expect(problems).toEqual([]);
});

journey("a type that was changed in the preview is the column's from the first row on", async () => {
  const { page, context, problems } = await visit(browser);
  await enter(page, platform, "/upload");
  const file = await fileOf("codes.csv", "code,n\n007,7\n042,42\n");
  await page.locator('input[type="file"]').setInputFiles(file);
  await page.getByRole("combobox", { name: "Project", exact: true }).fill("chosen");
  expect(await page.getByLabel("Type of code").inputValue()).toBe("VARCHAR");
  expect(await page.getByLabel("Type of n").inputValue()).toBe("BIGINT");
  await page.getByLabel("Type of code").selectOption("BIGINT");
  await page.getByLabel("Type of n").selectOption("VARCHAR");
  await keepPicture(page, "upload-type");
  expect(await violations(page)).toEqual([]);
  await page.getByRole("button", { name: "Create the dataset" }).click();
  await page.getByRole("heading", { name: "The rows are in the chain" }).waitFor();
  await page.getByRole("link", { name: "Open the dataset" }).click();
  await page.getByRole("navigation", { name: "Parts of the dataset" }).getByRole("link", { name: "Sample" }).click();
  await page.getByRole("columnheader", { name: "code BIGINT" }).waitFor();
  await page.getByRole("columnheader", { name: "n VARCHAR" }).waitFor();
  await page.getByRole("heading", { name: "2 rows" }).waitFor();
  expect(await page.getByRole("cell", { name: "007" }).count()).toBe(0);
  await context.close();
  expect(problems).toEqual([]);
});
