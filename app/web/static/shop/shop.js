// The example shop's own script: a basket in this browser, and word to the visit script of what was done, if it is there.
(() => {
  'use strict'
  const d = document, isFa = d.documentElement.lang === 'fa'
  const read = () => { try { return JSON.parse(sessionStorage.getItem('basket')) || { id: '', goods: [] } } catch { return { id: '', goods: [] } } }
  const write = basket => sessionStorage.setItem('basket', JSON.stringify(basket))
  const tell = (name, fields) => d.dispatchEvent(new CustomEvent('parvar:event', { detail: { name, fields } }))
  const money = n => isFa ? n.toLocaleString('fa-IR') + ' تومان' : n.toLocaleString('en') + ' tomans'
  const total = basket => basket.goods.reduce((sum, one) => sum + one.price, 0)
  const said = text => { const place = d.querySelector('[data-said]'); if (place) place.textContent = text }
  const told = basket => tell('cart_updated', { cart_id: basket.id, total: total(basket) * 10, goods: basket.goods.map(one => one.key), url: location.origin + '/cart' })

  for (const button of d.querySelectorAll('[data-buy]')) button.addEventListener('click', () => {
    const basket = read()
    basket.id ||= crypto.randomUUID()
    basket.goods.push({ key: button.dataset.buy, name: button.dataset.name, price: +button.dataset.price })
    write(basket)
    told(basket)
    said(isFa ? `«${button.dataset.name}» در سبد است.` : `“${button.dataset.name}” is in your basket.`)
  })
  for (const link of d.querySelectorAll('[data-event]')) link.addEventListener('click', () => tell(link.dataset.event, {}))
  const viewed = d.querySelector('[data-viewed]')
  if (viewed) tell('product_viewed', { product: viewed.dataset.viewed, name: viewed.dataset.name, url: location.origin + location.pathname })

  const list = d.querySelector('[data-basket]')
  const draw = () => {
    const basket = read(), has = basket.goods.length > 0
    list.replaceChildren(...basket.goods.map(one => Object.assign(d.createElement('li'), { textContent: `${one.name}: ${money(one.price)}` })))
    d.querySelector('[data-empty]').hidden = has
    d.querySelector('[data-checkout]').hidden = !has
    const sum = d.querySelector('[data-total]')
    sum.hidden = !has
    sum.textContent = money(total(basket))
  }
  if (list) {
    draw()
    d.querySelector('[data-checkout]').addEventListener('click', () => {
      const basket = read()
      tell('order', { order_id: basket.id, total: total(basket) * 10, products: basket.goods.map(one => one.key) })
      write({ id: '', goods: [] })
      draw()
      said(isFa ? 'سفارش نمونه ثبت شد.' : 'The example order is in.')
    })
  }
})()
