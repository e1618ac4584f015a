// The address says how the page is now, so that a reload, Back and a copy of it lead to that.
// Streamlit would make each change a step of the browser's history, for Back to undo one by one.

// Browsers refuse more than some hundred changes in half a minute.
const PAUSE_MS = 400

let changed = -PAUSE_MS
let waiting = null

export default function ({ data }) {
  const change = () => {
    changed = performance.now()
    // By now it may be another page's.
    if (location.pathname.split("/").at(-1) !== data.page || location.search === data.search) return
    history.replaceState(history.state, "", location.pathname + data.search + location.hash)
  }
  clearTimeout(waiting)
  waiting = setTimeout(change, changed + PAUSE_MS - performance.now())
}
