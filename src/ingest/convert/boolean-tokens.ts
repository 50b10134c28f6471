import { open } from "node:fs/promises";
import { Mutex, wasm } from "../../base/index.ts";

const { add, and, and128, differ, during, equal8, get, i32, less, load8, load128 } = wasm;
const { mask8, number, or128, set, splat8, subtract, trailingZeros, when } = wasm;

/** What is used of the global that JavaScript engines provide; TypeScript describes it for browsers only. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** Bytes kept from before the data, to look back into; in front of them a sentinel stands. */
const lookBack = 64;
const data = 2 * lookBack;
/** Bytes that a block may look ahead. */
const lookAhead = 32;
const readBytes = 1 << 20;
const sentinel = ":".charCodeAt(0);

/**
 * count(from, to): tokens `tru` and `fal` that begin in [from, to) behind one of `:[,` and blanks, 16 bytes at a step.
 * A token behind more blanks than are kept is counted: the sentinel is a colon.
 */
const count: wasm.WasmFunction = (() => {
  const [at, to, hits, back, total] = [0, 1, 2, 3, 4] as const;
  const is = (offset: number, char: string) => equal8(load128(get(at), offset), splat8(number(char.charCodeAt(0))));
  const begins = (text: string) => and128(is(0, text.charAt(0)), and128(is(1, text.charAt(1)), is(2, text.charAt(2))));
  const isNot = (char: string) => differ(load8(get(back)), number(char.charCodeAt(0)));
  return {
    name: "count",
    parameters: [i32, i32],
    result: [i32],
    locals: [i32, i32, i32],
    body: [
      during(
        less(get(at), get(to)),
        set(hits, mask8(or128(begins("tru"), begins("fal")))),
        during(
          get(hits),
          set(back, add(get(at), trailingZeros(get(hits)))),
          set(hits, and(get(hits), subtract(get(hits), number(1)))),
          when(less(get(back), get(to)), [
            set(back, subtract(get(back), number(1))),
            during(less(load8(get(back)), number(33)), set(back, subtract(get(back), number(1)))),
            // One of three differs from all but one.
            set(total, add(get(total), subtract(number(3), add(add(isNot(":"), isNot("[")), isNot(","))))),
          ]),
        ),
        set(at, add(get(at), number(16))),
      ),
      get(total),
    ],
  };
})();

let loaded: { readonly bytes: Uint8Array; readonly count: (from: number, to: number) => number } | null = null;
const turn = new Mutex();

/**
 * Tokens of JSON text that may be `true` or `false`: never fewer than there are. It is an upper bound, since a text value
 * such as "no, true" is counted too. Reads the file from `start` to its end, about 3 GB a second.
 */
export function countBooleans(path: string, start: number): Promise<number> {
  return turn.run(async () => {
    loaded ??= load();
    const { bytes } = loaded;
    bytes.fill(0, 0, data);
    bytes[lookBack - 1] = sentinel;
    await using file = await open(path, "r");
    let total = 0;
    // Bytes read and not counted yet, from `data` on.
    let held = 0;
    for (let position = start; ; ) {
      const { bytesRead } = await file.read(bytes, data + held, readBytes, position);
      const end = data + held + bytesRead;
      if (bytesRead === 0) {
        bytes.fill(0, end, end + lookAhead);
        return total + loaded.count(data, end);
      }
      position += bytesRead;
      const to = Math.max(data, end - lookAhead);
      total += loaded.count(data, to);
      bytes.copyWithin(lookBack, to - lookBack, end);
      held = end - to;
    }
  });
}

function load() {
  const pages = Math.ceil((data + lookAhead + readBytes + lookAhead) / 65_536);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm.assemble([count], pages)));
  const { memory, count: call } = exports;
  if (typeof call !== "function" || !(memory instanceof Object) || !("buffer" in memory))
    throw new Error("the module lacks an export");
  if (!(memory.buffer instanceof ArrayBuffer)) throw new Error("the module has no memory");
  return { bytes: new Uint8Array(memory.buffer), count: (from: number, to: number) => Number(call(from, to)) };
}
