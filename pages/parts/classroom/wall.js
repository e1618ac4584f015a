// The wall of digits: each new one appears first, those that are there stay as they are. A press on
// one opens it below.

export default function ({ parentElement, data, setTriggerValue }) {
  const wall = parentElement.querySelector(".wall")
  const there = new Map([...wall.children].map((tile) => [tile.dataset.number, tile]))
  for (const { number, picture, label, said, wrong } of data.tiles) {
    const tile = there.get(String(number)) ?? made(wall, number)
    there.delete(String(number))
    tile.querySelector("img").src = picture
    tile.querySelector(".label").textContent = label
    tile.querySelector(".wrong").replaceChildren(...wrong.map(([digit, color]) => badge(digit, color)))
    tile.title = said
    tile.setAttribute("aria-label", said)
    tile.onclick = () => setTriggerValue("opened", number)
    wall.append(tile) // in the order of the data
  }
  for (const tile of there.values()) tile.remove()
}

function made(wall, number) {
  const tile = document.createElement("button")
  tile.dataset.number = number
  tile.innerHTML = '<img alt=""><span class="label"></span><span class="wrong"></span>'
  return tile
}

function badge(digit, color) {
  const badge = document.createElement("span")
  badge.textContent = digit
  badge.style.background = color
  return badge
}
