// The device's memory of this tab: what the page gives it is kept, and given back after a reload,
// when the page has nothing of its own yet.

const NAME = "mnist-models"

export default function ({ data, setStateValue }) {
  try {
    if (data.kept !== null) {
      sessionStorage.setItem(NAME, data.kept)
    } else {
      const kept = sessionStorage.getItem(NAME)
      if (kept) setStateValue("told", kept)
    }
  } catch {
    // A browser that was told to store nothing, or has no room: the page works all the same.
  }
}
