// The loader of signup boxes: finds their places on a page, decides when each is shown, and fetches what draws it.
// No globals, no cookie, nothing stored before the visitor touches a box. When we are away, the page is as if no box were there.
(() => {
  'use strict'
  const d = document, w = window, me = d.currentScript
  if (!me || !w.fetch || !w.Promise || !d.head.attachShadow) return
  const at = me.src.indexOf('/b/')
  const root = me.src.slice(0, at)
  const name = me.src.slice(at + 3).split('?')[0].replace(/\.js$/, '')
  const taken = d[Symbol.for('parvar')] ||= new Map()
  const query = new URLSearchParams(location.search)
  const arms = []
  const quietly = () => {}
  // The dashboard shows a box as it is: at once, in the arm it names, and nothing is counted, kept or sent.
  const shown = me.dataset.parvarPreview
  const json = (path, given) => given && shown !== undefined ? Promise.resolve({ state: 'thanks', ticket: '', who: '' }) : fetch(root + path, given && { method: 'POST', headers: { 'Content-Type': 'application/json', Accept: 'application/json' }, body: JSON.stringify(given) }).then(answer => answer.status > 499 && !given ? Promise.reject(answer) : answer.json())
  // A house that starts anew is asked again, about 1, 4 and 16 seconds later, and not by all pages at once.
  const patiently = (ask, tries = 0) => ask(tries).catch(fault => {
    if (tries > 2) throw fault
    return new Promise(go => setTimeout(go, (.5 + Math.random()) * 1000 * 4 ** tries)).then(() => patiently(ask, tries + 1))
  })

  const start = () => {
    const places = [...d.querySelectorAll('[data-parvar]')].map(el => [el.dataset.parvar, el])
    if (name !== 'embed' && !places.some(([key]) => key === name)) places.push([name, null])
    for (const [key, el] of places) if (/^[a-z0-9][\w-]*$/.test(key) && !taken.has(el || key)) { taken.set(el || key, 1); begin(key, el).catch(quietly) }
    if (location.hash === '#parvar-doctor') import(root + '/b/doctor.js').then(m => m.default(root, places), quietly)
  }

  const begin = async (key, el) => {
    const lang = (el && el.closest('[lang]') || d.documentElement).lang || navigator.language
    const friend = query.get('pv_friend')
    const face = await patiently(() => json(`/b/${key}/face?lang=${encodeURIComponent(lang)}${friend ? '&friend=' + encodeURIComponent(friend) : ''}`))
    if (!face.key) return
    const memory = remember(face)
    if (shown === undefined && isHidden(face, memory)) return
    const ctx = { root, el, json, face, memory, still: () => still(el), meta: () => meta(el), count: metric => count(face, metric) }
    const test = face.test
    if (test) {
      const arm = shown || draw(test)
      arms.push(test.id + ':' + arm)
      // Every arm is counted at the same moment, the one without a box too: what they are compared by.
      count(face, 'draw')
      if (arm === 'control') return
      Object.assign(face, test.arms.find(one => one.name === arm), { name: undefined })
    }
    if (shown !== undefined) return show(ctx)
    if (el && el.dataset.parvarOpen !== undefined) return
    watch(face, el, () => show(ctx))
  }

  const show = async ctx => {
    // A browser remembers that a module failed, by its whole address.
    const box = await patiently(tries => import(ctx.root + '/b/box.js' + (tries ? '?again=' + tries : '')))
    await box.default(ctx)
    ctx.count('impression')
  }

  // ── What is kept, and only after a touch ──
  const remember = face => {
    const id = 'parvar:' + face.key
    const store = () => { try { return face.storage === 'none' ? null : w[face.storage + 'Storage'] } catch { return null } }
    const read = () => { try { return JSON.parse(store().getItem(id)) || {} } catch { return {} } }
    return {
      ...read(),
      put(what) { if (shown === undefined) try { store().setItem(id, JSON.stringify({ ...read(), [what]: Date.now(), seen: 1 })) } catch { quietly() } },
    }
  }
  const isHidden = (face, memory) => {
    const since = at => at ? (Date.now() - at) / 1000 : Infinity
    return since(memory.close) < face.hide[0] || since(memory.signup) < face.hide[1]
  }

  const draw = test => {
    let left = Math.random() - test.control
    if (left < 0) return 'control'
    for (const arm of test.arms) if ((left -= arm.share) < 0) return arm.name
    return test.arms[test.arms.length - 1].name
  }

  // ── When it is shown ──
  const watch = (face, el, open) => {
    const isStill = face.shape === 'inline' || face.shape === 'locker'
    const isOver = !isStill && face.shape !== 'bar'
    let done = false
    const once = () => { if (!done) { done = true; open().catch(quietly) } }
    for (const opener of d.querySelectorAll(`[data-parvar-open="${face.key}"]`)) opener.addEventListener('click', event => { event.preventDefault(); done = false; once() })
    if (isStill && !el) return
    const here = face.show.filter(rule => isHere(rule, face))
    if (face.show.length && !here.length) return
    if (isStill) return once()
    if (known()) return
    for (const rule of here.length ? here : [{}]) if (rule.on !== 'click') arm(rule, isOver, once)
  }
  const isHere = (rule, face) => {
    const path = location.pathname
    if (rule.pages && !rule.pages.some(page => page.endsWith('*') ? path.startsWith(page.slice(0, -1)) : path === page)) return false
    if (!rule.visitors) return true
    const back = remember(face).seen || d.referrer.startsWith(location.origin + '/')
    return rule.visitors === (back ? 'returning' : 'new')
  }
  // A reader who comes from our mails is asked nothing in passing.
  const marked = /[#&]pv=/.test(location.hash)
  const known = () => {
    if (marked || query.get('utm_medium') === 'email') return true
    try { return !!JSON.parse(localStorage.getItem('pv')).i } catch { return false }
  }

  const arm = (rule, isOver, fire) => {
    const needs = []
    const small = w.innerWidth < 640
    if (rule.after !== undefined) needs.push(new Promise(go => setTimeout(go, rule.after * 1000)))
    if (rule.scrolled !== undefined) needs.push(scrolled(rule.scrolled))
    // On a phone nothing covers the page a search led to before the visitor has read on.
    if (isOver && small && rule.on !== 'exit_intent' && rule.scrolled === undefined) needs.push(scrolled(.25))
    Promise.all(needs).then(() => rule.on === 'exit_intent' ? leaving(small).then(fire) : fire())
  }
  const scrolled = share => new Promise(go => {
    const look = () => {
      const all = d.documentElement.scrollHeight - w.innerHeight
      if (all > 0 && w.scrollY / all >= share) { w.removeEventListener('scroll', look); go() }
    }
    w.addEventListener('scroll', look, { passive: true })
    look()
  })
  const leaving = small => new Promise(go => {
    if (!small) return d.documentElement.addEventListener('mouseleave', event => event.clientY <= 0 && go())
    let top = w.scrollY, then = Date.now()
    w.addEventListener('scroll', () => {
      const now = Date.now()
      if (now - then > 150) {
        if (top - w.scrollY > w.innerHeight * .6) go()
        top = w.scrollY
        then = now
      }
    }, { passive: true })
  })

  // A box that needs more room than its place holds moves nothing a reader is looking at: it waits until it is out of sight.
  const still = el => new Promise(go => {
    const eye = new IntersectionObserver(seen => { if (!seen[seen.length - 1].isIntersecting) { eye.disconnect(); go() } })
    eye.observe(el)
    for (const act of ['pointerdown', 'keydown']) w.addEventListener(act, go, { once: true, passive: true })
  })

  // ── What a signup tells of its page ──
  const meta = el => {
    const given = { pv_page: location.href.split(/[?#]/)[0], pv_referrer: d.referrer, pv_landing: location.href.split(/[?#]/)[0], pv_language: navigator.language, pv_timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || '', pv_arms: arms.join() }
    for (const key of ['utm_source', 'utm_medium', 'utm_campaign']) if (query.get(key)) given['pv_' + key] = query.get(key)
    if (query.get('pv_friend')) given.pv_friend = query.get('pv_friend')
    for (const a of el ? el.attributes : []) if (a.name.startsWith('data-field-')) given[a.name.slice(11)] = a.value
    return given
  }
  const count = (face, metric) => {
    if (shown !== undefined) return
    const source = query.get('utm_source')
    const told = { metric, page: location.pathname, referrer: d.referrer.startsWith(location.origin + '/') ? '' : d.referrer, arms: arms.join(), ...source && { utm_source: source } }
    try { navigator.sendBeacon(`${root}/b/${face.key}/count`, JSON.stringify(told)) } catch { quietly() }
  }

  d.readyState === 'loading' ? d.addEventListener('DOMContentLoaded', start) : start()
})()
