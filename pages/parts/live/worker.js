// Reads digits apart from the page, so that the line that is drawn never waits for it.
//
// It is told `{ model, address }`, and answers `{ model, isReady }` when the model has come, or
// cannot be had; or `{ ink, models }`, and answers with what these models read of the ink.

const networks = new Map()
// A browser runs what it has run a few times several times as fast.
const WARM_UPS = 5

async function fetchNetwork(address) {
  // The address changes with the model, so what the browser has of it is never old.
  const response = await fetch(address, { cache: "force-cache" })
  if (!response.ok) throw new Error(`${response.status}`)
  const file = response.body.pipeThrough(new DecompressionStream("gzip"))
  const network = loadNetwork(await new Response(file).arrayBuffer())
  const image = Uint8Array.from({ length: SIDE * SIDE }, (_, at) => at % 256)
  for (let time = 0; time < WARM_UPS; time++) probabilities(network, image)
  return network
}

async function learn(model, address) {
  try {
    networks.set(model, await fetchNetwork(address))
  } catch {
    // Whatever is wrong with it, the server reads with this model all the same.
  }
  postMessage({ model, isReady: networks.has(model) })
}

function read(ink, models) {
  const begin = performance.now()
  const steps = prepare(ink)
  const answers = {}
  for (const model of models) {
    const begin = performance.now()
    const found = steps && probabilities(networks.get(model), steps.image)
    answers[model] = found && { probabilities: found, ms: performance.now() - begin }
  }
  postMessage({ steps, answers, ms: performance.now() - begin })
}

self.onmessage = ({ data }) => {
  if (data.address) learn(data.model, data.address)
  else read(data.ink, data.models)
}
