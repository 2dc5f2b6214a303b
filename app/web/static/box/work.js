// Proves some work: tries counters until the iterated SHA-256 begins as asked, a little at a time, so that the page stays smooth.
export default async challenge => {
  const { nonce, salt, cost, keyPrefix } = challenge.parameters
  const bytes = hex => Uint8Array.from(hex.match(/../g), pair => parseInt(pair, 16))
  const hex = buffer => [...new Uint8Array(buffer)].map(byte => byte.toString(16).padStart(2, '0')).join('')
  const head = new Uint8Array([...bytes(salt), ...bytes(nonce), 0, 0, 0, 0]), view = new DataView(head.buffer)
  for (let counter = 0; ; counter++) {
    view.setUint32(head.length - 4, counter)
    let key = await crypto.subtle.digest('SHA-256', head)
    for (let round = 1; round < cost; round++) key = await crypto.subtle.digest('SHA-256', key)
    const derivedKey = hex(key)
    if (derivedKey.startsWith(keyPrefix)) return btoa(JSON.stringify({ challenge, solution: { counter, derivedKey } }))
    if (counter % 8 === 7) await new Promise(go => setTimeout(go))
  }
}
