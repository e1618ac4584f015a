// Who this device is: a secret that it made itself, keeps for itself, and tells the server once in
// each session. It stands in no address and is shown nowhere.

const NAME = "mnist-models-device"
// As Streamlit's page says of itself, while it waits for the server or is being drawn.
const BUSY = ["initial", "running", "rerunRequested", "stopRequested"]
// So long it may take until the page knows that the visitor has asked for another one.
const LEAVING_MS = 1000

let waiting = null

// What is told just after the visitor has followed a link to another page could take the place of
// that: of two requests that wait, the server makes one. A link that was followed has the focus.
export default function ({ data, setStateValue }) {
  const isBusy = () =>
    BUSY.includes(document.querySelector("[data-testid=stApp]")?.dataset.testScriptState)
  const tell = () => {
    if (isBusy()) waiting = setTimeout(tell, LEAVING_MS)
    else setStateValue("secret", secret())
  }
  clearTimeout(waiting)
  if (data.known) return
  if (document.activeElement?.closest("a")) waiting = setTimeout(tell, LEAVING_MS)
  else setStateValue("secret", secret())
  return () => clearTimeout(waiting)
}

function secret() {
  try {
    if (!localStorage.getItem(NAME)) localStorage.setItem(NAME, made())
    return localStorage.getItem(NAME)
  } catch {
    return made() // A browser that was told to store nothing: another visitor after each reload.
  }
}

function made() {
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")
}
