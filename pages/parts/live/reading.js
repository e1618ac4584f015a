// Shows what the models read: what the server says of the drawing, and, while a digit is drawn,
// what a worker in this browser reads of it so far.
//
// It is on the page with the models, as long as the page shows these. What the server last read
// comes by answers.js.

// A device that often needs longer for a reading only shows those of the server.
const TOO_SLOW_MS = 150
const OFTEN = 5
// After the pen has gone up, the server has so long to read before the browser does.
const SERVER_FIRST_MS = 150
const NO_READING = "–"
const WAITING = "Waiting for a digit."
const SEVERAL = "Several digits, each shown below."
const DIGITS = [...Array(10).keys()]

let page = null // what the page has told of its models and words
let told = null // where a screen reader listens
let worker = null
const weights = new Map() // by model: whether the worker has its weights yet, or asked for them
let root = null // of the canvas that is drawn on
let isDown = false // whether the pen is
let isBusy = false // whether the worker reads
let isNew = false // whether there is ink that it has not been given
let isAhead = false // whether what is shown is of newer ink than what the server has read
let lastReading = null // the timer of the one after the pen has gone up
let slowness = 0 // how many more readings were too slow than were not
const scratch = document.createElement("canvas").getContext("2d", { willReadFrequently: true })

// The ink on a canvas of the page, as preprocessing.prepare_drawing sees it: the strokes, and, on a
// layer of its own, the one that is being drawn.
function inkOf(root) {
  const layers = root.querySelectorAll("canvas.lower-canvas, canvas.upper-canvas")
  const [{ width, height }] = layers
  Object.assign(scratch.canvas, { width, height }) // which makes it blank
  for (const layer of layers) scratch.drawImage(layer, 0, 0, width, height)
  const { data } = scratch.getImageData(0, 0, width, height)
  const pixels = new Uint8Array(width * height)
  for (let at = 0, from = 0; at < pixels.length; at++, from += 4) {
    const darkest = Math.min(data[from], data[from + 1], data[from + 2])
    pixels[at] = ((255 - darkest) * data[from + 3]) / 255
  }
  return { pixels, width, height }
}

// What a model says with these probabilities, as mnist_models/data/probabilities.py has it.
function answerOf(model, probabilities) {
  const most = Math.max(...probabilities)
  const digit = probabilities.findIndex((probability) => probability >= most - page.same)
  const probability = probabilities[digit]
  return { digit, probability, isSure: probability >= model.threshold - page.same }
}

// That, in a word.
function textOf(model, { probabilities }) {
  const { digit, isSure } = answerOf(model, probabilities)
  return isSure ? `${digit}` : page.notSure
}

const percent = (probability) => `${(100 * probability).toFixed(1)}%`

// Replaces a text that Streamlit has drawn so that Streamlit can replace it again.
function setText(element, text) {
  const inner = element?.querySelector("p") ?? element
  if (!inner || inner.textContent === text) return
  if (inner.firstChild?.nodeType === Node.TEXT_NODE) inner.firstChild.nodeValue = text
  else inner.textContent = text
}

const placeOf = (key) => document.querySelector(`.st-key-${key}`)

function made(tag, parent, className = "") {
  const element = document.createElement(tag)
  element.className = className
  parent.append(element)
  return element
}

// Shows one model's answer, or that there is none: the digit, and, where the page has room for
// them, a sentence and a bar for each digit.
function show(model, answer, isLive) {
  const said = answer && answerOf(model, answer.probabilities)
  const perhaps = said && !said.isSure ? `perhaps ${said.digit}, ` : ""
  const metric = placeOf(model.place)
  setText(
    metric?.querySelector("[data-testid=stMetricValue]"),
    answer ? textOf(model, answer) : NO_READING,
  )
  setText(
    metric?.querySelector("[data-testid=stMetricDelta]"),
    said ? `${perhaps}probability ${percent(said.probability)}` : WAITING,
  )
  const bars = placeOf(`probabilities-${model.place}`)?.querySelector(".digit-bars")
  if (!bars) return
  if (!bars.firstChild) {
    made("div", bars, "sentence")
    made("div", bars, "inference")
    const chart = made("div", bars, "rows")
    chart.setAttribute("role", "img")
    for (const digit of DIGITS) {
      made("span", chart).textContent = digit
      made("span", made("span", chart, "track"), "bar").style.background = model.color
      made("span", chart.lastChild, "share")
    }
  }
  const [sentence, inference, chart] = bars.children
  sentence.textContent = said
    ? `${perhaps}${percent(said.probability)} confident`
    : WAITING
  const where = isLive ? "in your browser" : "on the server"
  inference.textContent = said ? `Inference: ${answer.ms.toFixed(1)} ms ${where}` : ""
  chart.hidden = !said
  if (!said) return
  chart.setAttribute(
    "aria-label",
    `Probability of each digit according to the ${model.title}: ` +
      DIGITS.map((digit) => `${digit} ${percent(answer.probabilities[digit])}`).join(", "),
  )
  chart.querySelectorAll(".track").forEach(({ children: [bar, share] }, digit) => {
    const probability = answer.probabilities[digit]
    bar.style.width = `calc(${probability} * (100% - 3.25rem))`
    bar.classList.toggle("best", digit === said.digit)
    share.textContent = probability >= 0.001 ? percent(probability) : ""
  })
}

function showAll(answers, isLive) {
  for (const model of page.models) {
    if (model.id in answers) show(model, answers[model.id], isLive)
  }
}

function showNumbers(numbers) {
  for (const model of page.models) {
    if (!(model.id in numbers)) continue
    show(model, null, false)
    const place = placeOf(model.place)
    setText(place?.querySelector("[data-testid=stMetricValue]"), numbers[model.id])
    setText(placeOf(`probabilities-${model.place}`)?.querySelector(".sentence"), SEVERAL)
  }
}

// Dark ink on white paper.
function paint(canvas, { pixels, width, height }) {
  Object.assign(canvas, { width, height })
  const rgba = new Uint32Array(pixels.length)
  for (let at = 0; at < pixels.length; at++) rgba[at] = 0xff000000 + 0x010101 * (255 - pixels[at])
  const image = new ImageData(new Uint8ClampedArray(rgba.buffer), width, height)
  canvas.getContext("2d").putImageData(image, 0, 0)
  canvas.style.width = `${(100 * width) / Math.max(width, height)}%`
  canvas.classList.toggle("coarse", Math.max(width, height) <= 28)
}

// Shows pictures, each with what it says below, in a place of the page; or none.
function showPictures(key, pictures) {
  const place = placeOf(key)?.querySelector(".pictures")
  if (!place) return
  while (place.childElementCount < pictures.length) {
    const figure = made("figure", place)
    made("canvas", made("div", figure, "paper"))
    made("figcaption", figure)
  }
  place.hidden = !pictures.length
  pictures.forEach(([picture, caption], index) => {
    const figure = place.children[index]
    paint(figure.querySelector("canvas"), picture)
    figure.lastChild.textContent = caption
  })
}

// Shows how the drawing became the 28×28 that the models see, and what shuffling makes of that.
function showSteps(steps) {
  if (!steps) {
    showPictures("steps", [])
    showPictures("shuffled", [])
    return
  }
  const { drawn, box, scaled, strokePx } = steps
  const image = { pixels: steps.image, width: 28, height: 28 }
  showPictures("steps", [
    [drawn, `1. Crop to the ink: ${box.join("×")} px`],
    [
      scaled,
      `2. Resize so the longer side is 20 px (${scaled.width}×${scaled.height}); strokes ` +
        `${page.strokes} px wide, here ${strokePx.toFixed(1)} px`,
    ],
    [
      image,
      "3. Centre: the centre of mass goes to the middle of 28×28 px; this is all the models see",
    ],
  ])
  showPictures("shuffled", [
    [image, "Original"],
    [{ ...image, pixels: Uint8Array.from(page.order, (at) => steps.image[at]) }, "Shuffled"],
  ])
}

// Shows, on a small screen, the answers on the canvas itself, as long as there is no room for them
// beside it; or none.
function showOnCanvas(answers) {
  const canvas = placeOf("canvas")
  if (!canvas) return
  const line = canvas.querySelector(".on-canvas") ?? made("div", canvas, "on-canvas")
  line.replaceChildren()
  for (const model of page.models) {
    const answer = answers?.[model.id]
    if (!answer) continue
    const said = made("span", line)
    said.textContent = `${model.title}: ${textOf(model, answer)}`
    said.style.color = model.color
  }
}

// Says that what stands elsewhere on the page is of older ink, by hiding it until it is not.
function setAhead(ahead) {
  isAhead = ahead
  const agreement = placeOf("agreement")
  if (agreement) agreement.style.visibility = ahead ? "hidden" : ""
}

// Whether the places on the page are there: Streamlit draws a container before what is in it.
function hasPlaces() {
  const keys = [...page.models.map(({ place }) => `probabilities-${place}`), "steps", "shuffled"]
  const containers = keys.map(placeOf).filter(Boolean)
  return containers.every((one) => one.querySelector(".digit-bars, .pictures"))
}

function showAnswered() {
  const answered = globalThis.mnistAnswers
  if (!answered || !page) return
  if (!hasPlaces()) setTimeout(showAnswered, 50)
  if (isDown && readable().length) return noteInk()
  clearTimeout(lastReading)
  setAhead(false)
  showOnCanvas(null)
  if (answered.numbers) showNumbers(answered.numbers)
  else showAll(answered.answers, false)
  showSteps(answered.steps && unpacked(answered.steps))
  told.textContent = spoken(answered)
}

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))

function unpacked({ drawn, box, scaled, image, stroke_px: strokePx }) {
  const picture = ({ width, height, pixels }) => ({ width, height, pixels: bytes(pixels) })
  return { drawn: picture(drawn), box, scaled: picture(scaled), image: bytes(image), strokePx }
}

// The models with which the worker can read; it knows single digits only.
function readable() {
  if (slowness >= OFTEN || globalThis.mnistAnswers?.numbers) return []
  return page.models.map(({ id }) => id).filter((id) => weights.get(id))
}

// Gives the worker what is on the canvas, unless it still reads.
function readOn() {
  if (!page || isBusy || !isNew || !root?.isConnected) return
  const models = readable()
  if (!models.length) return
  isNew = false
  isBusy = true
  worker.postMessage({ ink: inkOf(root), models })
}

function noteInk() {
  isNew = true
  requestAnimationFrame(readOn)
}

function hear({ data }) {
  if (data.model) {
    weights.set(data.model, data.isReady)
    if (isDown) noteInk()
    return
  }
  isBusy = false
  slowness = Math.max(0, slowness + (data.ms > TOO_SLOW_MS ? 1 : -1))
  if (isNew) requestAnimationFrame(readOn)
  // The server may have read the whole of it by now.
  if (!page || !(isDown || isAhead)) return
  setAhead(true)
  showOnCanvas(data.answers)
  showAll(data.answers, true)
  const { steps } = data
  showSteps(steps && { ...steps, box: [steps.drawn.width, steps.drawn.height] })
}

function begin(event) {
  const drawn = event.composedPath().find((one) => one.classList?.contains("dc-root"))
  if (!drawn) return
  root = drawn
  isDown = true
  clearTimeout(lastReading)
  noteInk()
}

function go() {
  if (isDown) noteInk()
}

function end() {
  if (!isDown) return
  isDown = isNew = false
  isAhead = true
  // What the server reads usually comes first; two readings at once would only delay both.
  lastReading = setTimeout(noteInk, SERVER_FIRST_MS)
}

const HANDLERS = [
  ["pointerdown", begin],
  ["pointermove", go],
  ["touchmove", go],
  ["pointerup", end],
  ["pointercancel", end],
]

// Some browsers keep what is on a canvas from the page, and give it something else.
function canReadCanvas() {
  Object.assign(scratch.canvas, { width: 2, height: 1 })
  scratch.fillRect(0, 0, 1, 1)
  return `${scratch.getImageData(0, 0, 2, 1).data}` === "0,0,0,255,0,0,0,0"
}

function start() {
  document.addEventListener("mnist-answers", showAnswered)
  if (!canReadCanvas()) return
  try {
    worker = new Worker(URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" })))
  } catch {
    return // A browser without one shows what the server reads.
  }
  worker.onmessage = hear
  for (const [type, handler] of HANDLERS) document.addEventListener(type, handler, true)
}

function stop() {
  document.removeEventListener("mnist-answers", showAnswered)
  for (const [type, handler] of HANDLERS) document.removeEventListener(type, handler, true)
  clearTimeout(lastReading)
  worker?.terminate()
  weights.clear()
  page = worker = root = told = null
  isDown = isBusy = isNew = isAhead = false
  slowness = 0
}

// What a screen reader is told, once for each drawing.
function spoken({ answers, numbers }) {
  const read = page.models.filter(({ id }) => numbers ?? answers[id])
  const said = (model) => numbers?.[model.id] ?? textOf(model, answers[model.id])
  return read.map((model) => `${model.title}: ${said(model)}.`).join(" ")
}

export default function ({ data, parentElement }) {
  if (!page) start()
  page = data
  told = parentElement.querySelector(".told")
  for (const { id, address } of page.models) {
    if (!worker || !address || weights.has(id)) continue
    weights.set(id, false)
    worker.postMessage({ model: id, address: new URL(address, location.origin).href })
  }
  showAnswered()
  // By then another page may have begun.
  return () => page === data && stop()
}
