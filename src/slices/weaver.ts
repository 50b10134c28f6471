import { map, mostRows, pageBytes, weaveModule } from "./weave-code.ts";

/**
 * Reads memory outside of JavaScript's: the 8 bytes at `pointerOffset` of `buffer` hold an address, from which `bytes`
 * bytes are read. DuckDB's bindings call it `get_data_from_pointer`.
 */
export type ReadMemory = (buffer: ArrayBuffer, pointerOffset: number, bytes: number) => Uint8Array;

/** A vector as DuckDB holds it. Rows count from the vector's start. */
export interface VectorData {
  /** Fixed-width values, or 16-byte `string_t`s: u32 length, then up to 12 bytes, or 4 bytes of prefix and a pointer. */
  readonly data: Uint8Array;
  /** A bit a row, least significant first; null where every row is valid. */
  readonly validity: Uint8Array | null;
}

/** What is used of the global that JavaScript engines provide; TypeScript describes it for browsers only. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
declare const WebAssembly: {
  readonly Memory: abstract new () => WasmMemory;
  readonly Module: new (code: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

const wasmPage = 65_536;
const textBytes = 16;
const inlineBytes = 12;
/** Room behind the woven bytes, into which copies of 16 bytes may run over. */
const slack = 64;

export type { Weaver };

/** Brings vectors into the form that is hashed (see digest.ts), through a small WebAssembly module: weave-code.ts. */
class Weaver {
  readonly #wasm = loadModule();
  #bytes = new Uint8Array(this.#wasm.memory.buffer);
  /** Marks the page table's slots of one vector: a new number empties the table. */
  #generation = 0;
  #allValid = false;

  /** Fixed-width values of up to 16 bytes; the bytes are valid until the next call. */
  *fixed({ data, validity }: VectorData, rows: number, width: number): Generator<Uint8Array> {
    if (validity === null) {
      yield data.subarray(0, rows * width);
      return;
    }
    for (let from = 0; from < rows; from += mostRows) {
      const count = this.#take(data, validity, from, rows, width);
      yield this.#bytes.subarray(map.out, this.#wasm.pack(count, width));
    }
  }

  /** Booleans, a byte each; the bytes are valid until the next call. */
  *booleans({ data, validity }: VectorData, rows: number): Generator<Uint8Array> {
    for (let from = 0; from < rows; from += mostRows) {
      const count = this.#take(data, validity, from, rows, 1);
      this.#wasm.flags(count);
      yield this.#bytes.subarray(map.out, map.out + count);
    }
  }

  /** Texts or bytes; each yielded piece is valid until the next one. `data` must still point to living memory. */
  *texts(vector: VectorData, rows: number, read: ReadMemory): Generator<Uint8Array> {
    for (let from = 0; from < rows; from += mostRows) {
      const count = this.#take(vector.data, vector.validity, from, rows, textBytes);
      this.#nextGeneration();
      const total = this.#wasm.scan(count, this.#generation);
      if (total < 0) yield* longTexts(vector, from, from + count, read);
      else {
        this.#fetchPages(map.out + total + slack, read);
        yield this.#bytes.subarray(map.out, this.#wasm.weave(count, this.#generation));
      }
    }
  }

  #nextGeneration(): void {
    if (this.#generation === 0x7fff_ffff) {
      this.#bytes.fill(0, map.table, map.out);
      this.#generation = 0;
    }
    this.#generation++;
  }

  /** Copies the next rows of a vector into the module's memory. */
  #take(data: Uint8Array, validity: Uint8Array | null, from: number, rows: number, width: number): number {
    const count = Math.min(mostRows, rows - from);
    this.#bytes.set(data.subarray(from * width, (from + count) * width), map.data);
    if (validity !== null) {
      this.#bytes.set(validity.subarray(from >> 3, (from + count + 7) >> 3), map.validity);
      this.#allValid = false;
    } else if (!this.#allValid) {
      this.#bytes.fill(0xff, map.validity, map.validity + mostRows / 8);
      this.#allValid = true;
    }
    return count;
  }

  /**
   * Copies the pages that the scan listed to `heap` and onwards, neighbours by one read. A page is read whole, since a page
   * of which one byte is mapped is mapped whole; nothing between pages is touched, as it need not exist.
   */
  #fetchPages(heap: number, read: ReadMemory): void {
    const view = new DataView(this.#wasm.memory.buffer);
    const count = view.getUint32(map.pageCount, true);
    this.#reserve(heap + count * pageBytes + slack);
    if (count === 0) return;
    const pages = new Float64Array(this.#wasm.memory.buffer, map.pages, count).sort();
    const address = new BigUint64Array(1);
    for (let first = 0, after = 1; first < count; first = after++) {
      const page = pages[first] ?? 0;
      while (after < count && pages[after] === page + after - first) after++;
      address[0] = BigInt(page) * BigInt(pageBytes);
      this.#bytes.set(read(address.buffer, 0, (after - first) * pageBytes), heap + first * pageBytes);
    }
    this.#wasm.place(count, this.#generation, heap);
  }

  #reserve(bytes: number): void {
    if (this.#bytes.length < bytes) this.#wasm.memory.grow(Math.ceil((bytes - this.#bytes.length) / wasmPage));
    if (this.#bytes.length === 0 || this.#bytes.length < bytes) this.#bytes = new Uint8Array(this.#wasm.memory.buffer);
  }
}

/** Vectors with texts of more than a page: one read a text, which its length pays for. */
function* longTexts({ data, validity }: VectorData, from: number, to: number, read: ReadMemory): Generator<Uint8Array> {
  // A copy, since pointers are read from an ArrayBuffer at multiples of 8.
  const own = data.slice(from * textBytes, to * textBytes);
  const view = new DataView(own.buffer);
  for (let row = from; row < to; row++) {
    if (validity !== null && ((validity[row >> 3] ?? 0) & (1 << (row & 7))) === 0) {
      yield new Uint8Array(1);
      continue;
    }
    const at = (row - from) * textBytes;
    const length = view.getUint32(at, true);
    const bytes = length <= inlineBytes ? own.subarray(at + 4, at + 4 + length) : read(own.buffer, at + 8, length);
    const header = new Uint8Array(8);
    new DataView(header.buffer).setUint32(0, length, true);
    yield header;
    yield bytes;
  }
}

function loadModule() {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(weaveModule()));
  const { memory } = exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new Error("the module has no memory");
  const call = (name: string) => {
    const found = exports[name];
    if (typeof found !== "function") throw new Error(`no function ${name}`);
    return (...operands: number[]): number => Number(found(...operands));
  };
  return {
    memory,
    scan: call("scan"),
    place: call("place"),
    weave: call("weave"),
    pack: call("pack"),
    flags: call("flags"),
  };
}

let shared: Weaver | undefined;

/**
 * The thread's one weaver: what it yields is used up before the next call, so digests need none of their own, and an engine
 * reserves gigabytes of address space for each WebAssembly memory until it is collected.
 */
export function sharedWeaver(): Weaver {
  shared ??= new Weaver();
  return shared;
}
