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

// The model in a file, an ArrayBuffer: its layers, each with its numbers.
function loadNetwork(file) {
  const length = new DataView(file).getUint32(0, true)
  const layers = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 4, length)))
  const numbers = Float32Array.from(new Uint16Array(file.slice(4 + length)), (bits) => HALVES[bits])
  let used = 0
  const take = (count) => numbers.subarray(used, (used += count))
  for (const layer of layers) {
    if (!layer.units) continue
    layer.bias = take(layer.units)
    layer.weights = take(layer.units * layer.inputs)
  }
  if (used !== numbers.length) throw new Error("The file of the model is not whole.")
  return layers
}

// Adds, to `sums`, inputs times their rows of weights; inputs that are 0 cost nothing, and four at
// a time are faster than one.
function accumulate(sums, weights, values, rows, count) {
  const units = sums.length
  let at = 0
  for (; at + 4 <= count; at += 4) {
    const [a, b, c, d] = [values[at], values[at + 1], values[at + 2], values[at + 3]]
    let i = rows[at] * units
    let j = rows[at + 1] * units
    let k = rows[at + 2] * units
    let l = rows[at + 3] * units
    for (let unit = 0; unit < units; unit++) {
      sums[unit] += a * weights[i++] + b * weights[j++] + c * weights[k++] + d * weights[l++]
    }
  }
  for (; at < count; at++) {
    const value = values[at]
    for (let unit = 0, row = rows[at] * units; unit < units; unit++) {
      sums[unit] += value * weights[row++]
    }
  }
}

// What a layer makes of maps, `side` × `side` × `channels` numbers. Dense layers are convolutions
// that cover the whole of them.
function convolved(layer, { values, side, channels }) {
  const { units, kernel = side, stride = 1, bias, weights } = layer
  const activate = ACTIVATIONS[layer.activation]
  const after = Math.floor((side - kernel) / stride) + 1
  const result = new Float32Array(after * after * units)
  const found = new Float32Array(layer.inputs)
  const rows = new Int32Array(layer.inputs)
  const across = kernel * channels
  for (let y = 0, to = 0; y < after; y++) {
    for (let x = 0; x < after; x++, to += units) {
      let count = 0
      for (let line = 0, row = 0; line < kernel; line++) {
        let at = ((y * stride + line) * side + x * stride) * channels
        for (const end = at + across; at < end; at++, row++) {
          if (values[at] === 0) continue
          found[count] = values[at]
          rows[count++] = row
        }
      }
      const sums = result.subarray(to, to + units)
      sums.set(bias)
      accumulate(sums, weights, found, rows, count)
    }
  }
  if (layer.activation !== "none") {
    for (let at = 0; at < result.length; at++) result[at] = activate(result[at])
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
function probabilities(layers, image) {
  let maps = { values: Float32Array.from(image, (ink) => ink / 255), side: 28, channels: 1 }
  for (const layer of layers) {
    if (layer.order) {
      maps = { ...maps, values: Float32Array.from(layer.order, (at) => maps.values[at]) }
    } else {
      maps = layer.pool ? pooled(layer.pool, maps) : convolved(layer, maps)
    }
  }
  const most = Math.max(...maps.values)
  const powers = Array.from(maps.values, (logit) => Math.exp(logit - most))
  const sum = powers.reduce((total, power) => total + power, 0)
  return powers.map((power) => power / sum)
}
