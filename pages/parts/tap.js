// A tap on a chart does what pointing does: charts tell of what lies under a pointer that moves, and
// a finger that taps does not.

let isFinger = false
let tapped = null

document.addEventListener("pointerdown", (event) => (isFinger = event.pointerType === "touch"), true)
// After the finger was lifted, which takes away what a chart tells.
document.addEventListener("click", ({ target, clientX, clientY }) => {
  tapped?.dispatchEvent(new PointerEvent("pointerout", { bubbles: true }))
  tapped = null
  if (!isFinger || !target.closest("[data-testid=stVegaLiteChart]")) return
  tapped = target
  tapped.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX, clientY }))
}, true)

export default function () {}
