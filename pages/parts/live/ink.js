// From the ink on a canvas to the 28×28 that a model reads, step by step as
// mnist_models/data/preprocessing.py does it: see there for the reasons. Images are lists of rows,
// one after the other; 0 is paper and 255 is ink.

const SIDE = 28
const DIGIT = 20
const CENTER = 14
const FINE = 4 * DIGIT
const THINNEST = 1.8
const THICKEST = 4
const FULL = 255
// Pillow resizes with whole numbers, of which this is 1.
const ONE = 2 ** 22

// An image of `width` × `height` pixels.
const imageOf = (pixels, width, height) => ({ pixels, width, height })
const blank = (width, height) => imageOf(new Uint8Array(width * height), width, height)

// Python's rounding: what lies in the middle goes to the even number.
function rounded(value) {
  const up = Math.round(value)
  return up - value === 0.5 && up % 2 !== 0 ? up - 1 : up
}

// Left, top, right and bottom of the pixels that are more than `least`, right and bottom
// exclusive; null where none is.
function boxOf({ pixels, width, height }, least) {
  let [left, top, right, bottom] = [width, height, 0, 0]
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (pixels[at] <= least) continue
      if (x < left) left = x
      if (x >= right) right = x + 1
      if (y < top) top = y
      bottom = y + 1
    }
  }
  return bottom ? [left, top, right, bottom] : null
}

function crop({ pixels, width }, [left, top, right, bottom]) {
  const part = blank(right - left, bottom - top)
  for (let y = top; y < bottom; y++) {
    part.pixels.set(pixels.subarray(y * width + left, y * width + right), (y - top) * part.width)
  }
  return part
}

const average = { reach: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) }
const bicubic = {
  reach: 2,
  weight: (x) => {
    const far = Math.abs(x)
    if (far < 1) return (1.5 * far - 2.5) * far * far + 1
    return far < 2 ? -0.5 * (((far - 5) * far + 8) * far - 4) : 0
  },
}

// For each place of a row or column that is resized, where it begins to look in the old one, and
// how much each of the old places counts (Pillow's way: the filter is as wide as what it shrinks).
function weightsOf(before, after, filter) {
  const scale = before / after
  const wide = Math.max(scale, 1)
  return Array.from({ length: after }, (_, place) => {
    const center = (place + 0.5) * scale
    const first = Math.max(0, Math.trunc(center - filter.reach * wide + 0.5))
    const end = Math.min(before, Math.trunc(center + filter.reach * wide + 0.5))
    const weights = []
    for (let at = first; at < end; at++) weights.push(filter.weight((at - center + 0.5) / wide))
    const sum = weights.reduce((total, weight) => total + weight, 0)
    return { first, weights: weights.map((weight) => Math.round((weight / sum) * ONE)) }
  })
}

// The image with its rows, or else its columns, made `after` pixels long.
function resizedAlong(rows, { pixels, width, height }, after, filter) {
  const result = rows ? blank(after, height) : blank(width, after)
  const [length, lines, step, next] = rows ? [width, height, 1, width] : [height, width, width, 1]
  const [toStep, toNext] = rows ? [1, after] : [width, 1]
  weightsOf(length, after, filter).forEach(({ first, weights }, place) => {
    for (let line = 0; line < lines; line++) {
      let sum = ONE / 2
      let at = line * next + first * step
      for (let tap = 0; tap < weights.length; tap++, at += step) sum += weights[tap] * pixels[at]
      const value = Math.max(0, Math.min(FULL, Math.floor(sum / ONE)))
      result.pixels[place * toStep + line * toNext] = value
    }
  })
  return result
}

// The image with its longer side as asked, its aspect kept.
function fitted(image, longer, filter) {
  const scale = longer / Math.max(image.width, image.height)
  const side = (length) => Math.max(1, rounded(length * scale))
  const [width, height] = [side(image.width), side(image.height)]
  if (width === image.width && height === image.height) return image
  // Both orders give nearly the same; this is when Pillow 13 begins with the columns.
  const columnsFirst = image.height > height && image.height - height > 2 * (image.width - width)
  return columnsFirst
    ? resizedAlong(true, resizedAlong(false, image, height, filter), width, filter)
    : resizedAlong(false, resizedAlong(true, image, width, filter), height, filter)
}

// How far each pixel of a shape, a list of 0 and 1, is from the nearest one that is 0.
function depths(shape, width, height) {
  // Up and down first, then across: no farther than what was already found.
  const vertical = new Float64Array(shape.length).fill(width + height)
  for (let x = 0; x < width; x++) {
    for (let away = width + height, y = 0; y < height; y++) {
      away = shape[y * width + x] ? away + 1 : 0
      vertical[y * width + x] = away
    }
    for (let away = width + height, y = height - 1; y >= 0; y--) {
      away = shape[y * width + x] ? away + 1 : 0
      if (away < vertical[y * width + x]) vertical[y * width + x] = away
    }
  }
  return Float64Array.from(vertical, (away, at) => {
    const x = at % width
    let nearest = away * away
    for (let step = 1; step * step < nearest; step++) {
      if (x >= step) nearest = Math.min(nearest, step * step + vertical[at - step] ** 2)
      if (x + step < width) nearest = Math.min(nearest, step * step + vertical[at + step] ** 2)
    }
    return Math.sqrt(nearest)
  })
}

// The values with `margin` more pixels on each side, which are 0.
function padded(values, width, height, margin) {
  const wide = width + 2 * margin
  const result = new Uint8Array(wide * (height + 2 * margin))
  for (let y = 0; y < height; y++) {
    result.set(values.subarray(y * width, (y + 1) * width), (y + margin) * wide + margin)
  }
  return result
}

// The ink in its box, scaled to 20 px with its strokes neither too thin nor too thick, and how wide
// they were; null where nothing is left of it.
function scaledInk(drawn) {
  const fine = fitted(drawn, FINE, bicubic)
  let [ink, squares] = [0, 0]
  for (const value of fine.pixels) {
    ink += value
    squares += value * value
  }
  const inked = fine.pixels.map((value) => value >= squares / ink / 2)
  const shape = padded(inked, fine.width, fine.height, 1)
  const [width, height] = [fine.width + 2, fine.height + 2]
  const depth = depths(shape, width, height)
  let [inside, count] = [0, 0]
  shape.forEach((isInk, at) => {
    if (!isInk) return
    inside += depth[at]
    count += 1
  })
  const strokeWidth = 4 * (inside / count - 0.5)
  const strokePx = (strokeWidth * DIGIT) / FINE
  const wantedPx = Math.min(Math.max(strokePx, THINNEST), THICKEST)
  let image = drawn
  if (wantedPx !== strokePx) {
    const longer = Math.max(fine.width, fine.height)
    const grow = (wantedPx * longer - DIGIT * strokeWidth) / (DIGIT - wantedPx) / 2
    image = grow > 0 ? grown(shape, width, height, grow) : shrunk(depth, width, height, -grow)
    const box = boxOf(image, 0)
    if (!box) return null
    image = crop(image, box)
  }
  const scaled = fitted(image, DIGIT, average)
  const most = scaled.pixels.reduce((most, value) => Math.max(most, value), 0)
  const brighter = Math.fround(FULL / most)
  const pixels = scaled.pixels.map((value) => rounded(Math.fround(value * brighter)))
  return { scaled: imageOf(pixels, scaled.width, scaled.height), strokePx }
}

const soft = (share) => Math.trunc(Math.max(0, Math.min(1, share)) * FULL)

function grown(shape, width, height, grow) {
  const margin = Math.ceil(grow)
  const [wide, high] = [width + 2 * margin, height + 2 * margin]
  const paper = padded(shape, width, height, margin).map((inked) => 1 - inked)
  const away = depths(paper, wide, high)
  return imageOf(Uint8Array.from(away, (distance) => soft(grow + 1 - distance)), wide, high)
}

function shrunk(depth, width, height, less) {
  return imageOf(Uint8Array.from(depth, (inside) => soft(inside - less)), width, height)
}

// The scaled ink in 28×28, its centre of mass at the centre.
function placed({ pixels, width, height }) {
  let [mass, across, down] = [0, 0, 0]
  pixels.forEach((value, at) => {
    mass += value
    across += value * (at % width)
    down += value * Math.floor(at / width)
  })
  const corner = (center, side) =>
    Math.min(Math.max(rounded(CENTER - center / mass), 0), SIDE - side)
  const [left, top] = [corner(across, width), corner(down, height)]
  const image = new Uint8Array(SIDE * SIDE)
  for (let y = 0; y < height; y++) {
    image.set(pixels.subarray(y * width, (y + 1) * width), (top + y) * SIDE + left)
  }
  return image
}

// What a model reads of the ink on a canvas, and the steps that led to it; null when it is blank.
function prepare(ink) {
  const inked = boxOf(ink, FULL / 5) ?? boxOf(ink, 0)
  const drawn = inked && crop(ink, inked)
  const found = drawn && scaledInk(drawn)
  return found && { image: placed(found.scaled), drawn, ...found }
}
