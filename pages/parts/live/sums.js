// Nearly all the time of a reading goes into sums: what a layer is given, times its weights. They
// are added up for sixteen units at a time.
//
// All is in a memory of numbers of four bytes; places in it are counted in numbers. It begins
// with the sums. A row is sixteen weights, those of one input. A list of inputs has two numbers for
// each: which row is its own, an integer, and its value. Inputs that are 0 need not be on it.

const TOGETHER = 16

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

// A memory of so many numbers, which are 0, with `add(rows, begin, end)`, see above.
function newMemory(count) {
  const buffer = new ArrayBuffer(count * Float32Array.BYTES_PER_ELEMENT)
  const [floats, integers] = [new Float32Array(buffer), new Int32Array(buffer)]
  return { floats, integers, add: addInJavaScript(floats, integers) }
}
