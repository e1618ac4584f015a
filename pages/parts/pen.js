// Helps the canvas of streamlit-drawable-canvas, which stands elsewhere on the page, while a stroke
// is drawn. It draws nothing itself.
//
// - The canvas tells what was drawn 200 ms after a stroke has ended. The button of its toolbar that
//   tells at once is there, although nobody can see it: it is pressed when the pen goes up.
// - A finger that the system takes away, for a message or a palm, ends its stroke: the canvas does
//   not know of `touchcancel`, so it is told of a `touchend`.
// - A mouse that is let go over a disabled button, or outside of the window, is not told of to
//   anybody, and the stroke would be lost. So the canvas keeps the pointer until it is let go.

const SEND = "[title='Update the app with this drawing']"

// The canvas's root, inside of its shadow root, if an event is of it.
const rootOf = (event) => event.composedPath().find((one) => one.classList?.contains("dc-root"))

let drawing = null

function begin(event) {
  drawing = rootOf(event) ?? null
  if (drawing) event.composedPath()[0].setPointerCapture(event.pointerId)
}

function end() {
  const root = drawing
  drawing = null
  // After the canvas has made a stroke of it: it hears of the same end later than we do.
  if (root) setTimeout(() => root.querySelector(SEND)?.click(), 0)
}

function cancel(event) {
  if (!rootOf(event)) return
  const { changedTouches } = event
  const ended = new TouchEvent("touchend", { changedTouches, bubbles: true, composed: true })
  event.composedPath()[0].dispatchEvent(ended)
}

export default function () {
  const handlers = [
    ["pointerdown", begin],
    ["pointerup", end],
    ["pointercancel", end],
    ["touchcancel", cancel],
  ]
  for (const [type, handler] of handlers) document.addEventListener(type, handler, true)
  return () => {
    for (const [type, handler] of handlers) document.removeEventListener(type, handler, true)
  }
}
