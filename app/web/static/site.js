// Tells Parvar which pages are read and what is done on them. Stores nothing before consent, sends no cookie ever.
// On the page: <script async src="https://…/site.js"></script>; what it can be told comes as events of the document:
//   parvar:consent {given}   parvar:identify {token}   parvar:event {name, fields}
(() => {
  'use strict'
  const d = document, w = window, me = d.currentScript || d.querySelector('script[src*="/site.js"]')
  if (!me || w.parvarSite) return
  w.parvarSite = 1
  const { consent, signals } = me.dataset, n = navigator
  if (signals !== 'ignore' && (n.globalPrivacyControl || n.doNotTrack === '1')) return
  const to = new URL('e', me.src).href, KEY = 'pv', TOKEN = /^[\w-]{20,500}$/
  let who = { v: '', i: '' }, agreed = false, facts = [], timer = 0, seen = ''

  const store = use => { try { return use(localStorage) } catch { return null } }
  const keep = () => agreed && store(s => s.setItem(KEY, JSON.stringify(who)))
  const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map(b => b.toString(16).padStart(2, '0')).join('')

  const agree = given => {
    agreed = given
    if (!given) {
      who.v = ''
      return store(s => s.removeItem(KEY))
    }
    let known = null
    try { known = JSON.parse(store(s => s.getItem(KEY))) } catch { /* not ours any more */ }
    // Somebody else proved who she is in this browser: what comes now is not the other's.
    const other = known && known.i && who.i && known.i !== who.i
    if (known && !other) who = { v: String(known.v || ''), i: who.i || String(known.i || '') }
    who.v = who.v || random()
    keep()
  }
  const identify = token => {
    if (!TOKEN.test(token)) return
    if (agreed && who.i && who.i !== token) flush(), who.v = random()
    who.i = token
    keep()
  }

  const flush = () => {
    clearTimeout(timer)
    timer = 0
    if (!facts.length) return
    const now = Date.now(), told = facts.splice(0, 20).map(([at, ...more]) => [now - at, ...more])
    const body = new Blob([JSON.stringify({ v: agreed ? who.v : '', i: who.i, l: d.documentElement.lang, f: told })], { type: 'text/plain' })
    if (!(n.sendBeacon && n.sendBeacon(to, body))) fetch(to, { method: 'POST', body, keepalive: true, mode: 'no-cors', credentials: 'omit' }).catch(() => 0)
    if (facts.length) flush()
  }
  const tell = (name, fields) => {
    facts.push([Date.now(), location.pathname, name, Object.entries(fields || {})])
    timer = timer || setTimeout(flush, 1000)
  }
  const view = () => {
    if (location.pathname === seen) return
    seen = location.pathname
    tell('', null)
  }

  const on = (name, act) => d.addEventListener('parvar:' + name, event => act(event.detail || {}))
  const begin = () => {
    const mark = /(?:^#|&)pv=([\w-]+)/.exec(location.hash)
    if (mark) {
      identify(mark[1])
      history.replaceState(history.state, '', location.pathname + location.search)
    }
    if (consent === 'given' || store(s => s.getItem(KEY))) agree(true)
    on('consent', ({ given }) => agree(given === true))
    on('identify', ({ token }) => identify(String(token)))
    on('event', ({ name, fields }) => name && tell(String(name), fields))
    for (const name of ['pushState', 'replaceState']) {
      const act = history[name]
      history[name] = function (...given) { act.apply(this, given); view() }
    }
    w.addEventListener('popstate', view)
    d.addEventListener('visibilitychange', () => d.visibilityState === 'hidden' && flush())
    w.addEventListener('pagehide', flush)
    view()
  }
  d.prerendering ? d.addEventListener('prerenderingchange', begin, { once: true }) : begin()
})()
