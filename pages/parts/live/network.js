// Reads a digit with a model, from the file that mnist_models/models/portable.py describes.

const half = (bits) => {
  const [sign, exponent, fraction] = [bits >> 15, (bits >> 10) & 31, bits & 1023]
  const size = exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction
  return sign ? -size : size
}
const HALVES = Float32Array.from({ length: 2 ** 16 }, (_, bits) => half(bits))

const erf = (x) => {
  // Abramowitz and Stegun, 7.1.26; wrong by at most 1.5e-7.
  const t = 1 / (1 + 0.3275911 * Math.abs(x))
  const factors = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592]
  const sum = factors.reduce((sum, factor) => (sum + factor) * t, 0)
  return Math.sign(x) * (1 - sum * Math.exp(-x * x))
}
const sigmoid = (x) => 1 / (1 + Math.exp(-x))
const ACTIVATIONS = {
  none: (x) => x,
  relu: (x) => (x > 0 ? x : 0),
  gelu: (x) => (x * (1 + erf(x / Math.SQRT2))) / 2,
  silu: (x) => x * sigmoid(x),
  tanh: Math.tanh,
  sigmoid,
}

// Where the list of inputs is in the memory: behind the sums.
const LIST = TOGETHER

// The model in a file, an ArrayBuffer: its layers, and the memory that they add up in, see sums.js.
// Behind the sums, it has room for the longest list of inputs that there can be, and for the rows
// of all layers.
function loadNetwork(file) {
  const length = new DataView(file).getUint32(0, true)
  const layers = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 4, length)))
  const numbers = Float32Array.from(new Uint16Array(file.slice(4 + length)), (bits) => HALVES[bits])
  const summing = layers.filter(({ units }) => units)
  let size = LIST + 2 * SIDE * SIDE * Math.max(...summing.map(({ units }) => units))
  for (const layer of summing) {
    layer.rows = size
    size += layer.inputs * TOGETHER * Math.ceil(layer.units / TOGETHER)
  }
  const memory = newMemory(size)
  let used = 0
  const take = (count) => numbers.subarray(used, (used += count))
  for (const layer of summing) {
    layer.bias = take(layer.units)
    writeRows(memory, layer, take(layer.units * layer.inputs))
  }
  if (used !== numbers.length) throw new Error("The file of the model is not whole.")
  return { layers, memory }
}

// Writes the weights of a layer, (inputs, units), as rows: those of its first sixteen units, then
// those of the next. The last units may be fewer; what their rows are too long stays 0.
function writeRows({ floats }, { units, rows }, weights) {
  for (let first = 0, to = rows; first < units; first += TOGETHER) {
    const count = Math.min(TOGETHER, units - first)
    for (let at = first; at < weights.length; at += units, to += TOGETHER) {
      floats.set(weights.subarray(at, at + count), to)
    }
  }
}

// Writes what is not 0 in maps as a list of inputs, with rows counted from the left of the maps.
// Returns where on the list the inputs of each pixel begin, and at last where it ends.
function writeList({ floats, integers }, { values, side, channels }) {
  const begins = new Int32Array(side * side + 1)
  let to = LIST
  for (let pixel = 0, at = 0; pixel < side * side; pixel++) {
    begins[pixel] = to
    let row = (pixel % side) * channels
    for (const end = at + channels; at < end; at++, row++) {
      if (values[at] === 0) continue
      integers[to++] = row
      floats[to++] = values[at]
    }
  }
  begins[side * side] = to
  return begins
}

// What a layer makes of maps, `side` × `side` × `channels` numbers. Dense layers are convolutions
// that cover the whole of them.
function convolved(memory, layer, maps) {
  const { side, channels } = maps
  const { units, inputs, kernel = side, stride = 1, bias, rows } = layer
  const activate = ACTIVATIONS[layer.activation]
  const after = Math.floor((side - kernel) / stride) + 1
  const result = new Float32Array(after * after * units)
  const begins = writeList(memory, maps)
  const sums = memory.floats.subarray(0, TOGETHER)
  for (let first = 0; first < units; first += TOGETHER) {
    const biases = bias.subarray(first, first + TOGETHER)
    for (let y = 0, to = first; y < after; y++) {
      for (let x = 0; x < after; x++, to += units) {
        sums.set(biases)
        for (let line = 0; line < kernel; line++) {
          const pixel = (y * stride + line) * side + x * stride
          // The kernel's rows begin where it does, those on the list at the left of the maps.
          const row = (line * kernel - x * stride) * channels
          const from = rows + first * inputs + row * TOGETHER
          memory.add(from, begins[pixel], begins[pixel + kernel])
        }
        for (let unit = 0; unit < biases.length; unit++) result[to + unit] = activate(sums[unit])
      }
    }
  }
  return { values: result, side: after, channels: units }
}

// The largest number of each square of `pool` × `pool`.
function pooled(pool, { values, side, channels }) {
  const after = Math.floor(side / pool)
  const result = new Float32Array(after * after * channels).fill(-Infinity)
  for (let y = 0; y < after * pool; y++) {
    for (let x = 0; x < after * pool; x++) {
      const from = (y * side + x) * channels
      const to = (Math.floor(y / pool) * after + Math.floor(x / pool)) * channels
      for (let channel = 0; channel < channels; channel++) {
        const value = values[from + channel]
        if (value > result[to + channel]) result[to + channel] = value
      }
    }
  }
  return { values: result, side: after, channels }
}

// The probability of each digit, for an image of 28×28 numbers from 0 to 255.
function probabilities({ layers, memory }, image) {
  let maps = { values: Float32Array.from(image, (ink) => ink / 255), side: SIDE, channels: 1 }
  for (const layer of layers) {
    if (layer.order) {
      maps = { ...maps, values: Float32Array.from(layer.order, (at) => maps.values[at]) }
    } else {
      maps = layer.pool ? pooled(layer.pool, maps) : convolved(memory, layer, maps)
    }
  }
  const most = Math.max(...maps.values)
  const powers = Array.from(maps.values, (logit) => Math.exp(logit - most))
  const sum = powers.reduce((total, power) => total + power, 0)
  return powers.map((power) => power / sum)
}
