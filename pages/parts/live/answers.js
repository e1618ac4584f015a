// Hands what the server read on to reading.js, which is too long to come with each answer.

export default function ({ data }) {
  globalThis.mnistAnswers = data
  document.dispatchEvent(new CustomEvent("mnist-answers"))
}
