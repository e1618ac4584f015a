// Writes functions in WebAssembly, which compute with four numbers at once where JavaScript takes
// one. WebAssembly is bytes; these are the ones that sums.js needs, by their names in the
// specification: https://webassembly.github.io/spec/core/
//
// An instruction takes its operands from a stack and leaves its result there. So the bytes of its
// operands come first, then its own, then what else it has to know, such as an offset. Here, bytes
// stand in lists, which may hold lists.

// A whole number from 0 on, seven bits a byte, the lowest first (LEB128). The last byte is below
// 64, so that it is the same number where one below 0 could stand.
const leb128 = (number) => (number < 64 ? [number] : [(number & 127) | 128, leb128(number >> 7)])
// What is added to an address, in bytes. Before it stands of which power of two their sum is a
// multiple; 2⁰ promises nothing.
const memarg = (offset) => [0, leb128(offset)]
// Instructions for several numbers at once have opcodes of their own.
const simd = (opcode) => [0xfd, leb128(opcode)]

const local = {
  get: (index) => [0x20, index],
  set: (index, value) => [value, 0x21, index],
}
// Whole numbers, addresses among them.
const i32 = {
  type: 0x7f,
  const: (number) => [0x41, leb128(number)],
  load: (address, offset) => [address, 0x28, memarg(offset)],
  lt_u: (left, right) => [left, right, 0x49],
  add: (left, right) => [left, right, 0x6a],
  shl: (value, bits) => [value, bits, 0x74],
}
// 16 bytes.
const v128 = {
  type: 0x7b,
  load: (address, offset) => [address, simd(0), memarg(offset)],
  // Four bytes, four times.
  load32_splat: (address, offset) => [address, simd(9), memarg(offset)],
  store: (address, value, offset) => [address, value, simd(11), memarg(offset)],
}
// 16 bytes as four numbers, each with one of four others.
const f32x4 = {
  add: (left, right) => [left, right, simd(228)],
  mul: (left, right) => [left, right, simd(230)],
}

const [LOOP, IF, END, BR] = [0x03, 0x04, 0x0b, 0x0c]
const NO_RESULT = 0x40
// `br 1` leaves the `if` for what is around it, and that is a loop, so it begins again.
const repeatWhile = (condition, body) => [
  [LOOP, NO_RESULT, condition],
  [IF, NO_RESULT, body, BR, 1, END],
  END,
]

const listOf = (...items) => [leb128(items.length), items]
const sized = (...bytes) => [leb128(bytes.flat(Infinity).length), bytes]
const nameOf = (text) => listOf(...new TextEncoder().encode(text))

// A module of one function, which returns nothing, and works on a memory that it will be given.
//
// parameters: the types of what the function is given. locals: of the further variables that it
// has; both are counted together, from 0. body: its instructions.
function moduleOf({ parameters, locals, body }) {
  const [FUNCTION_TYPE, FUNCTION, MEMORY] = [0x60, 0, 2]
  const anySize = [0, 1] // no most, and a least of one page
  const code = [listOf(...locals.map((type) => [1, type])), body, END]
  const bytes = [
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
    // Sections by their numbers, each a list of one thing: types, imports, functions by their
    // types, exports, code.
    [1, sized(listOf([FUNCTION_TYPE, listOf(...parameters), listOf()]))],
    [2, sized(listOf([nameOf("given"), nameOf("memory"), MEMORY, anySize]))],
    [3, sized(listOf(0))],
    [7, sized(listOf([nameOf("run"), FUNCTION, 0]))],
    [10, sized(listOf(sized(code)))],
  ]
  return new WebAssembly.Module(Uint8Array.from(bytes.flat(Infinity)))
}

// The function of such a module, for this memory.
function functionOf(module, memory) {
  return new WebAssembly.Instance(module, { given: { memory } }).exports.run
}
