// Plays an example over the empty canvas that follows on the page, until a pen touches it: the
// strokes, and what each model says of what has been drawn so far. Nothing moves for those who have
// asked their system for less motion.

const NAMESPACE = "http://www.w3.org/2000/svg"
const REST_MS = 2000

const element = (parent, name, attributes) => {
  const made = document.createElementNS(NAMESPACE, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  return parent.appendChild(made)
}

// Once touched, the canvas is the visitor's, whatever else the page tells.
let isTouched = false
let stopPlaying = () => {}

export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".example")
  stopPlaying()
  if (isTouched || matchMedia("(prefers-reduced-motion: reduce)").matches) return

  const svg = element(place, "svg", { viewBox: `0 0 ${data.side} ${data.side}` })
  const line = (y, text, fill) => {
    const made = element(svg, "text", { x: data.side / 2, y, fill, "text-anchor": "middle" })
    made.textContent = text
    return made
  }
  line(22, "An example. Draw your own digit here!", "#6b6b6b")
  const strokes = data.strokes.map((points) =>
    element(svg, "polyline", {
      points: points.join(" "), fill: "none", stroke: "#9a9a9a", "stroke-width": data.brush,
      "stroke-linecap": "round", "stroke-linejoin": "round",
    }),
  )
  const lengths = strokes.map((stroke) => stroke.getTotalLength())
  const ink = lengths.reduce((sum, length) => sum + length, 0)
  const answers = data.models.map(({ title, color }, row) => {
    const made = line(data.side - 30 + 20 * row, "", color)
    return (said) => (made.textContent = said === undefined ? "" : `${title}: ${said}`)
  })

  const show = (share) => {
    let left = share * ink
    strokes.forEach((stroke, index) => {
      const drawn = Math.max(0, Math.min(left, lengths[index]))
      stroke.setAttribute("stroke-dasharray", `${drawn} ${2 * ink}`)
      stroke.setAttribute("visibility", drawn > 0 ? "visible" : "hidden")
      left -= lengths[index]
    })
    const moment = data.percents.findLastIndex((percent) => percent <= 100 * share)
    answers.forEach((say, index) => say(data.models[index].said[moment]))
  }

  let frame
  const begin = performance.now()
  const play = (now) => {
    show(Math.min(1, ((now - begin) % (data.ms + REST_MS)) / data.ms))
    frame = requestAnimationFrame(play)
  }
  frame = requestAnimationFrame(play)

  const stop = (event) => {
    if (!event.composedPath().some((one) => one.classList?.contains("dc-root"))) return
    isTouched = true
    stopPlaying()
  }
  document.addEventListener("pointerdown", stop, true)
  stopPlaying = () => {
    document.removeEventListener("pointerdown", stop, true)
    cancelAnimationFrame(frame)
    place.replaceChildren()
  }
  return () => stopPlaying()
}
