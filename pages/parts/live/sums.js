// Nearly all the time of a reading goes into sums: what a layer is given, times its weights. They
// are added up for sixteen units at a time, in WebAssembly, or several times as slowly in
// JavaScript where a browser has nothing else (Safari before 16.4, or in its lockdown mode).
//
// All is in a memory of numbers of four bytes; places in it are counted in numbers. It begins
// with the sums. A row is sixteen weights, those of one input. A list of inputs has two numbers for
// each: which row is its own, an integer, and its value. Inputs that are 0 need not be on it.

const TOGETHER = 16
// WebAssembly counts places in bytes.
const NUMBER_BYTES = 4
const FOUR_BYTES = 4 * NUMBER_BYTES
const PAGE_BYTES = 2 ** 16

// Adds a list of inputs, each times its row, to the sums. It is given the places of the first row,
// and of the list's begin and end.
function addInJavaScript(floats, integers) {
  return (rows, begin, end) => {
    // Eight sums in variables of their own are faster than sixteen in the memory.
    for (let to = 0; to < TOGETHER; to += 8) {
      let [a, b, c, d] = [floats[to], floats[to + 1], floats[to + 2], floats[to + 3]]
      let [e, f, g, h] = [floats[to + 4], floats[to + 5], floats[to + 6], floats[to + 7]]
      for (let at = begin; at < end; at += 2) {
        const row = rows + integers[at] * TOGETHER + to
        const value = floats[at + 1]
        a += value * floats[row]
        b += value * floats[row + 1]
        c += value * floats[row + 2]
        d += value * floats[row + 3]
        e += value * floats[row + 4]
        f += value * floats[row + 5]
        g += value * floats[row + 6]
        h += value * floats[row + 7]
      }
      ;[floats[to], floats[to + 1], floats[to + 2], floats[to + 3]] = [a, b, c, d]
      ;[floats[to + 4], floats[to + 5], floats[to + 6], floats[to + 7]] = [e, f, g, h]
    }
  }
}

// The same in WebAssembly, see webassembly.js; four sums go into one variable.
function adding() {
  // Its variables go by numbers, the three that it is given first.
  const [rows, at, end, row, value] = [0, 1, 2, 3, 4]
  const sums = [5, 6, 7, 8]
  const { get, set } = local
  const start = i32.const(0)
  const rowBits = i32.const(Math.log2(TOGETHER * NUMBER_BYTES))
  const inputBytes = i32.const(2 * NUMBER_BYTES)
  return {
    parameters: [i32.type, i32.type, i32.type],
    locals: [i32.type, v128.type, ...sums.map(() => v128.type)],
    body: [
      sums.map((sum, place) => set(sum, v128.load(start, place * FOUR_BYTES))),
      repeatWhile(i32.lt_u(get(at), get(end)), [
        set(row, i32.add(get(rows), i32.shl(i32.load(get(at), 0), rowBits))),
        set(value, v128.load32_splat(get(at), NUMBER_BYTES)),
        sums.map((sum, place) => {
          const weights = v128.load(get(row), place * FOUR_BYTES)
          return set(sum, f32x4.add(get(sum), f32x4.mul(get(value), weights)))
        }),
        set(at, i32.add(get(at), inputBytes)),
      ]),
      sums.map((sum, place) => v128.store(start, get(sum), place * FOUR_BYTES)),
    ],
  }
}

// That, compiled; null in a browser that lacks what it needs.
function compiled() {
  try {
    return moduleOf(adding())
  } catch {
    return null
  }
}
const ADDING = compiled()

function addInWebAssembly(memory) {
  const add = functionOf(ADDING, memory)
  return (rows, begin, end) => add(rows * NUMBER_BYTES, begin * NUMBER_BYTES, end * NUMBER_BYTES)
}

// A memory of so many numbers, which are 0, with `add(rows, begin, end)`, see above.
function newMemory(count) {
  const bytes = count * NUMBER_BYTES
  const memory = ADDING
    ? new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE_BYTES) })
    : { buffer: new ArrayBuffer(bytes) }
  const floats = new Float32Array(memory.buffer)
  const integers = new Int32Array(memory.buffer)
  const add = ADDING ? addInWebAssembly(memory) : addInJavaScript(floats, integers)
  return { floats, integers, add }
}
