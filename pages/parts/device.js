// Who this device is: a secret that it made itself, keeps for itself, and tells the server once in
// each session. It stands in no address and is shown nowhere.

const NAME = "mnist-models-device"

export default function ({ data, setStateValue }) {
  if (!data.known) setStateValue("secret", secret())
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
