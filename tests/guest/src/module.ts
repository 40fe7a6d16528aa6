/** Writes small WebAssembly modules: programs that no compiler makes. */

/** Instructions, encoded. */
export type Code = readonly number[];

/** A function that is imported: so many i32 to one i32. */
export interface Import {
  readonly module: string;
  readonly name: string;
  readonly nrParameters: number;
}

/** What a module is made of. Imports have the function indices from 0 on, then come start and entry. */
export interface ModuleParts {
  readonly imports?: readonly Import[];
  /** The body of `_start`, without its end. */
  readonly entry: Code;
  /** The body of the start function, without its end. */
  readonly start?: Code;
  /** How many memories it declares; 1 by default. */
  readonly nrMemories?: number;
  /** The size of each at first, in pages of 64 KiB; 1 by default. */
  readonly pages?: number;
  /** Puts one byte at this address of the first memory. */
  readonly dataAt?: number;
}

const I32 = 0x7f;
const FUNCTION = 0x60;

/** The instruction `unreachable`. */
export const UNREACHABLE: Code = [0x00];
/** The instruction `drop`. */
export const DROP: Code = [0x1a];
/** The instruction `i32.sub`. */
export const SUBTRACT: Code = [0x6b];
/** The instruction `i32.div_s`. */
export const DIVIDE: Code = [0x6d];
/** The instruction `i32.or`. */
export const OR: Code = [0x72];
/** `memory.size`. */
export const SIZE: Code = [0x3f, 0x00];
/** `memory.grow` by the number on the stack. */
export const GROW: Code = [0x40, 0x00];
/** `loop br 0 end`. */
export const FOREVER: Code = [0x03, 0x40, 0x0c, 0x00, 0x0b];

/** `i32.const value`. */
export function constant(value: number): Code {
  return [0x41, ...signedLeb(value)];
}

/** `call function`. */
export function call(index: number): Code {
  return [0x10, ...leb(index)];
}

/** Calls function `index` with these arguments. */
export function callWith(index: number, ...args: readonly number[]): Code {
  return [...args.flatMap(constant), ...call(index)];
}

/** `i32.store` of a value at an address. */
export function store(address: number, value: number): Code {
  return [...constant(address), ...constant(value), 0x36, 0x02, 0x00];
}

/** `memory.fill` of `length` bytes. */
export function fill(address: number, value: number, length: number): Code {
  return [...constant(address), ...constant(value), ...constant(length), 0xfc, 0x0b, 0x00];
}

/** `i32.load` from an address. */
export function load(address: number): Code {
  return [...constant(address), 0x28, 0x02, 0x00];
}

/** The bytes of a module. */
export function buildModule(parts: ModuleParts): Uint8Array {
  const imports = parts.imports ?? [];
  const bodies = parts.start === undefined ? [parts.entry] : [parts.start, parts.entry];
  // Type 0 is that of our own functions, type 1 + i that of import i.
  const types = [[FUNCTION, 0, 0], ...imports.map(({ nrParameters }) => functionType(nrParameters))];
  const entry = imports.length + bodies.length - 1;
  const memories = Array.from({ length: parts.nrMemories ?? 1 }, () => [0, ...leb(parts.pages ?? 1)]);
  const data = parts.dataAt === undefined ? [] : [[0, ...constant(parts.dataAt), 0x0b, ...vector([[1]])]];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(2, vector(imports.map(({ module, name }, i) => [...text(module), ...text(name), 0, ...leb(i + 1)]))),
    ...section(3, vector(bodies.map(() => [0]))),
    ...section(5, vector(memories)),
    ...section(7, vector([[...text("_start"), 0, ...leb(entry)]])),
    ...(parts.start === undefined ? [] : section(8, leb(entry - 1))),
    ...section(10, vector(bodies.map((body) => sized([0, ...body, 0x0b])))),
    ...section(11, vector(data)),
  ]);
}

function functionType(nrParameters: number): number[] {
  return [FUNCTION, ...vector(Array.from({ length: nrParameters }, () => [I32])), 1, I32];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...leb(items.length), ...items.flat()];
}

function sized(bytes: readonly number[]): number[] {
  return [...leb(bytes.length), ...bytes];
}

function text(name: string): number[] {
  return sized([...new TextEncoder().encode(name)]);
}

/** LEB128 of a number that is not negative. */
function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

/** LEB128 of a 32-bit number with a sign. */
function signedLeb(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return isLast ? [low] : [low | 0x80, ...signedLeb(rest)];
}
