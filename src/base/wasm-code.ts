/**
 * The little of WebAssembly's binary format (core specification 2.0, section 5) that our few kernels need, written as
 * nested expressions: each function returns the bytes of one instruction with its operands in front.
 */
export type Code = readonly number[];

export const i32 = 0x7f;
export const i64 = 0x7e;

/** LEB128 of a whole number. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) | (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}

function signed(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = Number(rest & 127n);
    rest >>= 7n;
    if ((rest === 0n && (low & 64) === 0) || (rest === -1n && (low & 64) !== 0)) return [...bytes, low];
    bytes.push(low | 128);
  }
}

const text = (value: string) => sized([...Buffer.from(value)]);
const sized = (bytes: Code) => [...unsigned(bytes.length), ...bytes];
const list = (items: readonly Code[]) => [...unsigned(items.length), ...items.flat()];
const binary =
  (...opcode: number[]) =>
  (a: Code, b: Code): Code => [...a, ...b, ...opcode];
/** Memory accesses claim no alignment: strings and packed values lie anywhere. */
const load =
  (...opcode: number[]) =>
  (address: Code, offset = 0): Code => [...address, ...opcode, 0, ...unsigned(offset)];
const store =
  (...opcode: number[]) =>
  (address: Code, value: Code, offset = 0): Code => [...address, ...value, ...opcode, 0, ...unsigned(offset)];

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];
export const number = (value: number): Code => [0x41, ...signed(BigInt(value))];
export const long = (value: bigint): Code => [0x42, ...signed(value)];
export const call = (index: number, ...operands: Code[]): Code => [...operands.flat(), 0x10, ...unsigned(index)];
export const leave = (value: Code): Code => [...value, 0x0f];
export const when = (condition: Code, yes: readonly Code[], no: readonly Code[] = []): Code => [
  ...condition,
  0x04,
  0x40,
  ...yes.flat(),
  ...(no.length === 0 ? [] : [0x05, ...no.flat()]),
  0x0b,
];
/** Repeats while the condition holds, which is asked first. */
export const during = (condition: Code, ...body: Code[]): Code => [
  ...[0x02, 0x40, 0x03, 0x40],
  ...[...condition, 0x45, 0x0d, 1],
  ...[...body.flat(), 0x0c, 0, 0x0b, 0x0b],
];

export const add = binary(0x6a);
export const subtract = binary(0x6b);
export const multiply = binary(0x6c);
export const and = binary(0x71);
export const shiftLeft = binary(0x74);
export const shiftRight = binary(0x76);
export const less = binary(0x49);
export const more = binary(0x4b);
export const differ = binary(0x47);
export const add64 = binary(0x7c);
export const and64 = binary(0x83);
export const shiftRight64 = binary(0x88);
export const differ64 = binary(0x52);
/** Low half of a 64-bit number. */
export const low = (value: Code): Code => [...value, 0xa7];
export const widen64 = (value: Code): Code => [...value, 0xad];
export const toDouble = (value: Code): Code => [...value, 0xba];
export const fromDouble = (value: Code): Code => [...value, 0xb1];
export const load8 = load(0x2d);
export const load32 = load(0x28);
export const load64 = load(0x29);
export const loadDouble = load(0x2b);
export const load128 = load(0xfd, 0);
export const store8 = store(0x3a);
export const store32 = store(0x36);
export const store64 = store(0x37);
export const storeDouble = store(0x39);
export const store128 = store(0xfd, 11);
/** A byte in all 16 lanes. */
export const splat8 = (value: Code): Code => [...value, 0xfd, 0x0f];
export const equal8 = binary(0xfd, 0x23);
export const and128 = binary(0xfd, 0x4e);
export const or128 = binary(0xfd, 0x50);
/** The highest bit of each of 16 bytes. */
export const mask8 = (value: Code): Code => [...value, 0xfd, 0x64];
export const trailingZeros = (value: Code): Code => [...value, 0x68];

export interface WasmFunction {
  readonly name: string;
  readonly parameters: readonly number[];
  readonly result: readonly number[];
  readonly locals: readonly number[];
  readonly body: readonly Code[];
}

/** A module of functions, which call each other by their place in the list, and one exported memory. */
export function assemble(functions: readonly WasmFunction[], memoryPages: number): Uint8Array<ArrayBuffer> {
  const section = (id: number, content: Code) => [id, ...sized(content)];
  const types = functions.map(({ parameters, result }) => [
    0x60,
    ...list(parameters.map((type) => [type])),
    ...list(result.map((type) => [type])),
  ]);
  const exported = functions.map(({ name }, index) => [...text(name), 0, ...unsigned(index)]);
  const bodies = functions.map(({ locals, body }) =>
    sized([...list(locals.map((type) => [1, type])), ...body.flat(), 0x0b]),
  );
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list(types)),
    ...section(3, list(functions.map((_, index) => unsigned(index)))),
    ...section(5, list([[0, ...unsigned(memoryPages)]])),
    ...section(7, list([[...text("memory"), 2, 0], ...exported])),
    ...section(10, list(bodies)),
  ]);
}
