import { wasm } from "../base/index.ts";

type Code = wasm.Code;
type WasmFunction = wasm.WasmFunction;
const {
  add,
  add64,
  and,
  and64,
  assemble,
  call,
  differ,
  differ64,
  during,
  fromDouble,
  get,
  i32,
  i64,
  leave,
  less,
  load8,
  load32,
  load64,
  load128,
  loadDouble,
  long,
  low,
  more,
  multiply,
  number,
  set,
  shiftLeft,
  shiftRight,
  shiftRight64,
  store8,
  store32,
  store64,
  store128,
  storeDouble,
  subtract,
  toDouble,
  when,
  widen64,
} = wasm;

/** Rows that one call takes: a vector of DuckDB. */
export const mostRows = 2048;
/** Texts beyond this are not woven here, so that a vector's pages stay few. */
export const longestText = 4096;
export const pageBytes = 4096;
const inlineBytes = 12;

/**
 * Where things lie in the module's memory:
 * - data: the vector itself (fixed-width values, or `string_t`: u32 length, then 12 bytes of text, or 4 bytes of prefix
 *   and a pointer), validity: a bit a row, least significant first
 * - pages: the distinct memory pages that the pointers touch, as doubles so that JavaScript sorts them natively
 * - table: open addressing by page number; a slot is u64 page, u32 generation (other generations are free), u32 place
 * - out: the woven bytes; behind them come the copies of the pages
 */
export const map = { data: 0, validity: 0x8100, pageCount: 0x8200, pages: 0x9000, table: 0x12000, out: 0x40000 };
const tableSlots = 8192;
/** 1 MiB to begin with. */
const initialMemoryPages = 16;

const next = (local: number, by = 1) => set(local, add(get(local), number(by)));
/** Is the row valid? */
const valid = (row: number): Code =>
  and(shiftRight(load8(shiftRight(get(row), number(3)), map.validity), and(get(row), number(7))), number(1));
const item = (row: number, bytes: Code): Code => multiply(get(row), bytes);

/** find(page, generation): address of the page's slot, or of the free slot where it belongs. */
const find: WasmFunction = {
  name: "find",
  parameters: [i64, i32],
  result: [i32],
  locals: [i32],
  body: [
    set(
      2,
      shiftLeft(
        shiftRight(multiply(low(get(0)), number(0x9e3779b1 | 0)), number(32 - Math.log2(tableSlots))),
        number(4),
      ),
    ),
    during(
      and(
        // Stops at the page itself and at a free slot.
        differ64(load64(get(2), map.table), get(0)),
        subtract(number(1), differ(load32(get(2), map.table + 8), get(1))),
      ),
      set(2, and(add(get(2), number(16)), number(tableSlots * 16 - 1))),
    ),
    // A slot of an older generation may still show the page: the caller looks at the generation.
    get(2),
  ],
};

/** mark(page, generation, count): lists the page unless it is listed; the new count. */
const mark: WasmFunction = {
  name: "mark",
  parameters: [i64, i32, i32],
  result: [i32],
  locals: [i32],
  body: [
    set(3, call(0, get(0), get(1))),
    when(differ(load32(get(3), map.table + 8), get(1)), [
      store64(get(3), get(0), map.table),
      store32(get(3), get(1), map.table + 8),
      storeDouble(shiftLeft(get(2), number(3)), toDouble(get(0)), map.pages),
      next(2),
    ]),
    get(2),
  ],
};

/** scan(rows, generation): bytes that the rows will weave into, or -1 where a text is too long; lists their pages. */
const scan: WasmFunction = (() => {
  const [rows, generation, row, length, total, count, pointer, page, last] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
  const see = (value: Code): Code[] => [
    set(page, shiftRight64(value, long(12n))),
    when(differ64(get(page), get(last)), [
      set(last, get(page)),
      set(count, call(1, get(page), get(generation), get(count))),
    ]),
  ];
  return {
    name: "scan",
    parameters: [i32, i32],
    result: [i32],
    locals: [i32, i32, i32, i32, i64, i64, i64],
    body: [
      set(last, long(-1n)),
      during(
        less(get(row), get(rows)),
        when(
          valid(row),
          [
            set(length, load32(item(row, number(16)))),
            set(total, add(get(total), add(get(length), number(8)))),
            when(more(get(length), number(inlineBytes)), [
              when(more(get(length), number(longestText)), [leave(number(-1))]),
              set(pointer, load64(item(row, number(16)), 8)),
              ...see(get(pointer)),
              ...see(add64(get(pointer), widen64(subtract(get(length), number(1))))),
            ]),
          ],
          [next(total)],
        ),
        next(row),
      ),
      store32(number(map.pageCount), get(count)),
      get(total),
    ],
  };
})();

/** place(count, generation, heap): says that the listed pages now lie one after the other from `heap`. */
const place: WasmFunction = {
  name: "place",
  parameters: [i32, i32, i32],
  result: [],
  locals: [i32],
  body: [
    during(
      less(get(3), get(0)),
      store32(
        call(0, fromDouble(loadDouble(shiftLeft(get(3), number(3)), map.pages)), get(1)),
        add(get(2), multiply(get(3), number(pageBytes))),
        map.table + 12,
      ),
      next(3),
    ),
  ],
};

/** weave(rows, generation): u64 length and content of each text, or one 0; the end of what was written. */
const weave: WasmFunction = (() => {
  const [rows, generation, row, length, to, from, end, base, pointer, page, last] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ] as const;
  return {
    name: "weave",
    parameters: [i32, i32],
    result: [i32],
    locals: [i32, i32, i32, i32, i32, i32, i64, i64, i64],
    body: [
      set(to, number(map.out)),
      set(last, long(-1n)),
      during(
        less(get(row), get(rows)),
        when(
          valid(row),
          [
            set(length, load32(item(row, number(16)))),
            store64(get(to), widen64(get(length))),
            next(to, 8),
            when(
              more(get(length), number(inlineBytes)),
              [
                set(pointer, load64(item(row, number(16)), 8)),
                set(page, shiftRight64(get(pointer), long(12n))),
                when(differ64(get(page), get(last)), [
                  set(last, get(page)),
                  set(base, load32(call(0, get(page), get(generation)), map.table + 12)),
                ]),
                set(from, add(get(base), low(and64(get(pointer), long(4095n))))),
                set(end, add(get(to), get(length))),
                // Copies 16 bytes at once and may run over the end: what follows is written later, or never read.
                during(less(get(to), get(end)), store128(get(to), load128(get(from))), next(to, 16), next(from, 16)),
                set(to, get(end)),
              ],
              [store128(get(to), load128(item(row, number(16)), 4)), set(to, add(get(to), get(length)))],
            ),
          ],
          [store8(get(to), number(0)), next(to)],
        ),
        next(row),
      ),
      get(to),
    ],
  };
})();

/** pack(rows, width): the valid values of a fixed width up to 16, a null as one 0; the end of what was written. */
const pack: WasmFunction = {
  name: "pack",
  parameters: [i32, i32],
  result: [i32],
  locals: [i32, i32],
  body: [
    set(3, number(map.out)),
    during(
      less(get(2), get(0)),
      when(
        valid(2),
        [store128(get(3), load128(item(2, get(1)))), set(3, add(get(3), get(1)))],
        [store8(get(3), number(0)), next(3)],
      ),
      next(2),
    ),
    get(3),
  ],
};

/** flags(rows): booleans as 1 and 2, a null as 0. */
const flags: WasmFunction = {
  name: "flags",
  parameters: [i32],
  result: [],
  locals: [i32],
  body: [
    during(less(get(1), get(0)), store8(get(1), multiply(valid(1), add(load8(get(1)), number(1))), map.out), next(1)),
  ],
};

/** The module: functions call each other by their place in this list. */
export const weaveModule = () => assemble([find, mark, scan, place, weave, pack, flags], initialMemoryPages);
