// Draws one signup box into a shadow root, where the page's own style cannot reach it: shapes, steps, checks, thanks.
// Sizes are in px, for `rem` is the page's own, and some pages make it 7px.
const css = `
:host{all:initial;display:block;color-scheme:inherit}
*{box-sizing:border-box}
.b{--g:#fff;--i:#1c2421;--s:#56605b;--e:#7c8782;--bad:#b3261e;--a:#0a6b4e;--o:#fff;--r:10px;--k:#0a6b4e;
--g:light-dark(#fff,#1b211e);--i:light-dark(#1c2421,#e8ece9);--s:light-dark(#56605b,#a5b0aa);--bad:light-dark(#b3261e,#ffb4ab);--k:light-dark(#0a6b4e,#7fd6b1);
font:400 16px/1.6 sans-serif;font-family:var(--f,system-ui,"Segoe UI",Tahoma,sans-serif);letter-spacing:normal;word-spacing:normal;text-transform:none;text-indent:0;white-space:normal;text-shadow:none;visibility:visible;color:var(--i);background:var(--g);border:1px solid var(--e);border-radius:var(--r);padding:22.4px;position:relative;text-align:start}
.b.fixed{--g:#fff;--i:#1c2421;--s:#56605b;--bad:#b3261e;--k:#1c2421}
.b.dark{--g:#1b211e;--i:#e8ece9;--s:#b6c0ba;--bad:#ffb4ab;--k:#e8ece9}
.b:lang(fa){line-height:1.9}
h2{font-size:20.8px;line-height:1.4;margin:0 0 8px;padding-inline-end:25.6px;text-wrap:balance}
h2:focus{outline:0}
p{margin:4px 0}
img{max-width:100%;max-height:176px;display:block;margin:0 0 12.8px;border-radius:var(--r)}
form{margin:14.4px 0 0}
.f{margin:0 0 12.8px;border:0;padding:0;min-width:0}
.f>label:not(.t),legend{display:block;font-weight:600;padding:0;margin:0 0 3.2px}
.h{color:var(--s);font-size:14.4px;font-weight:400}
input,select,textarea,button{font:inherit}
input:not([type=checkbox]),select,textarea{width:100%;min-height:44.8px;padding:7.2px 11.2px;color:var(--i);background:var(--g);border:1px solid var(--e);border-radius:var(--r)}
[dir=rtl] [dir=ltr]{text-align:right}
.t{display:flex;gap:9.6px;align-items:flex-start;padding:2.4px 0;font-weight:400!important}
.t input{flex:none;width:24px;height:24px;margin:1.6px 0 0;accent-color:var(--a)}
[aria-invalid=true]{outline:2px solid var(--bad)}
.w{color:var(--bad);font-size:14.9px}
button,.go{min-height:44.8px;padding:8px 20.8px;font-weight:600;border-radius:var(--r);border:1px solid var(--e);background:none;color:var(--i);cursor:pointer;text-decoration:none;display:inline-block}
.go{background:var(--a);color:var(--o);border-color:transparent;flex:1 1 auto;text-align:center}
.n select{width:auto;flex:1}
.n{display:flex;gap:9.6px;flex-wrap:wrap;margin-top:6.4px}
button[disabled]{opacity:.6;cursor:default}
:focus-visible{outline:3px solid var(--k);outline-offset:2px}
.x{position:absolute;inset-block-start:8px;inset-inline-end:8px;min-height:0;width:35.2px;height:35.2px;padding:0;border:0;font-size:20.8px;line-height:1;z-index:1}
.z{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
dialog.b{position:fixed;margin:auto;width:min(100% - 32px,480px);max-height:calc(100dvh - 32px);overflow:auto}
dialog::backdrop{background:#000a}
dialog.full_screen{width:100%;height:100%;max-width:none;max-height:none;border:0;border-radius:0;padding:max(22.4px,8vh) max(22.4px,50vw - 256px)}
.slide_in,.bar{position:fixed;z-index:2147483000;max-height:calc(100dvh - 32px);overflow:auto;box-shadow:0 6px 30px #0004}
.slide_in{inset-block-end:16px;inset-inline-end:16px;width:min(100% - 32px,384px)}
.bar{inset-inline:0;inset-block-end:0;border-radius:0;border-width:1px 0 0;padding:12.8px max(16px,50vw - 480px)}
.bar h2{font-size:17.6px}
.bar form:not(.m){display:flex;flex-wrap:wrap;gap:4.8px 12.8px;align-items:end;margin:6.4px 0 0}.bar form>div:first-of-type{flex:1 1 224px;display:flex;gap:4.8px 12.8px;flex-wrap:wrap}.bar .f{margin:0;flex:1 1 192px}.bar .f.c{flex:1 1 100%;font-size:14.9px}
@media(max-width:640px){dialog.popup,.slide_in,.bar{max-height:60dvh}.slide_in,dialog.popup{inset:auto 0 0;width:100%;max-width:none;margin:0;border-radius:var(--r) var(--r) 0 0}}
@media(prefers-reduced-motion:no-preference){.slide_in,.bar{animation:u .25s ease-out}@keyframes u{from{transform:translateY(32px);opacity:0}}}
@media(forced-colors:active){.go{border-color:ButtonText}}
`
const FONTS = { serif: 'Georgia,"Times New Roman",serif', system: 'system-ui,"Segoe UI",Tahoma,sans-serif' }
const DIGITS = /[\u0660-\u0669\u06f0-\u06f9]/g
const latin = text => text.replace(DIGITS, c => c.charCodeAt(0) & 15)
const tidy = text => text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, '').trim()
const CHECKS = {
  email: text => /^[^\s@]+@[^\s@]+\.[^\s@]{2,}$/.test(text) || 'invalid',
  number: (text, f) => { const n = latin(text).replace(/[\s,_\u066c]/g, ''); return n !== '' && !isNaN(n) && (f.least == null || n >= f.least) && (f.most == null || n <= f.most) || 'number' },
  phone: text => /^\+?\d{5,15}$/.test(latin(text).replace(/[\s().\-/]/g, '')) || 'phone',
}
CHECKS.money = CHECKS.number

export default async ctx => {
  const { face, root } = ctx, say = face.words
  const rtl = /^(fa|ar|he|ur)/.test(face.lang)
  const sure = new Set(), waits = []
  let token = face.token, started = false, page = 0, ids = 0, ticket = '', box, form, status, back

  const h = (tag, given = {}, ...inside) => {
    const el = document.createElement(tag)
    for (const [key, value] of Object.entries(given)) if (key.startsWith('on')) el[key] = value; else if (value !== false && value != null) el.setAttribute(key, value === true ? '' : value)
    el.append(...inside.flat().filter(one => one != null && one !== ''))
    return el
  }
  const overlay = face.shape !== 'inline' && face.shape !== 'locker'
  const modal = face.shape === 'popup' || face.shape === 'full_screen'

  // ── The frame ──
  const host = overlay || !ctx.el ? document.createElement('parvar-box') : ctx.el
  if (host.shadowRoot) return
  const room = ctx.el ? Math.max(...[ctx.el, ...ctx.el.children].map(one => one.getBoundingClientRect().height)) : 0
  const shadow = host.attachShadow({ mode: 'open' })
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(css)
  shadow.adoptedStyleSheets = [sheet]
  if (!overlay) shadow.append(h('slot'))
  const title = h('h2', { id: 't', tabindex: -1 }, face.title)
  box = h(modal ? 'dialog' : 'section', { class: 'b ' + face.shape, lang: face.lang, dir: rtl ? 'rtl' : 'ltr', 'aria-labelledby': 't' })
  const looks = face.looks, set = (key, value) => value && box.style.setProperty(key, value)
  if (looks.ground) { box.classList.add('fixed'); if (looks.inkLight) box.classList.add('dark') }
  set('--a', looks.accent); set('--o', looks.onAccent); set('--g', looks.ground); set('--i', looks.ink); set('--r', looks.radius)
  set('--f', FONTS[looks.font] || (looks.font === 'site' && getComputedStyle(ctx.el && ctx.el.parentElement || document.body).fontFamily))
  status = h('p', { role: 'status' })

  const close = () => {
    if (modal) box.close()
    host.remove()
    ctx.memory.put('close')
    ctx.count('close')
    if (back && back.isConnected) back.focus()
  }

  // ── Fields ──
  const label = f => [f.label, f.required || f.key === 'email' ? '' : h('span', { class: 'h' }, ` (${say.optional})`)]
  const field = f => {
    if (f.type === 'hidden') return null
    const id = 'f' + ++ids
    const wrong = h('p', { class: 'w', id: id + 'w' })
    const given = { id, name: f.key, 'aria-describedby': id + 'w', required: f.required }
    let input
    if (f.type === 'choice') input = h('select', given, h('option', { value: '' }, say.choose), f.options.map(([value, text]) => h('option', { value }, text)))
    else if (f.type === 'choices') {
      const set = h('fieldset', { class: 'f', 'aria-describedby': id + 'w' }, h('legend', {}, label(f)), f.options.map(([value, text]) => h('label', { class: 't' }, h('input', { type: 'checkbox', name: f.key, value }), h('span', {}, text))), wrong)
      return Object.assign(set, { f, wrong, input: set, read: () => [...set.querySelectorAll(':checked')].map(one => one.value) })
    } else if (f.type === 'bool') {
      input = h('input', { ...given, type: 'checkbox' })
      return Object.assign(h('div', { class: 'f' }, h('label', { class: 't' }, input, h('span', {}, f.label)), wrong), { f, wrong, input, read: () => input.checked })
    } else if (f.type === 'text' && f.max > 200 && f.max !== 1000) input = h('textarea', { ...given, rows: 3, maxlength: f.max })
    else {
      const native = /^da/.test(f.type) && (f.calendar !== 'jalali' || !rtl)
      const kinds = { email: { type: 'email', autocomplete: 'email', dir: 'ltr', maxlength: 254 }, phone: { type: 'tel', autocomplete: 'tel', dir: 'ltr' }, link: { type: 'url', dir: 'ltr' }, number: { inputmode: 'decimal', dir: 'ltr' }, money: { inputmode: 'numeric', dir: 'ltr' } }
      input = h('input', { ...given, ...(native ? { type: 'date' } : kinds[f.type] || { maxlength: f.max, autocomplete: f.key === 'first_name' && 'given-name' }) })
      if (/^da/.test(f.type) && !native) { input.dir = 'ltr'; waits.push(import(root + '/b/dates.js').then(m => m.default(input, h), () => {})) }
    }
    return Object.assign(h('div', { class: 'f' }, h('label', { for: id }, label(f)), input, wrong), { f, wrong, input, read: () => tidy(input.value) })
  }
  const tick = (name, text, must) => {
    const id = 'f' + ++ids, input = h('input', { type: 'checkbox', 'aria-describedby': id + 'w', required: must }), wrong = h('p', { class: 'w', id: id + 'w' })
    return Object.assign(h('div', { class: 'f c' }, h('label', { class: 't' }, input, h('span', {}, text)), wrong), { f: { key: name, required: must }, wrong, input, read: () => input.checked ? 'true' : '' })
  }
  const blame = (one, text) => {
    one.wrong.textContent = text || ''
    text ? one.input.setAttribute('aria-invalid', 'true') : one.input.removeAttribute('aria-invalid')
  }
  const check = list => {
    let first
    for (const one of list) {
      const value = one.read(), check = CHECKS[one.f.type]
      const fault = value === '' || value.length === 0 || value === false ? one.f.required && 'missing' : check && check(value, one.f)
      blame(one, fault && fault !== true ? (one.f.key.startsWith('pv_') ? say.must : say[fault]) : '')
      if (fault && fault !== true) first ||= one
    }
    if (first) focus(first)
    return !first
  }
  const focus = one => (one.input.matches('fieldset') ? one.input.querySelector('input') : one.input).focus()

  // ── The form, page by page ──
  const steps = face.steps.map(keys => face.fields.filter(f => keys.includes(f.key)).map(field).filter(Boolean))
  const ticks = [tick('pv_consent', face.consent, true)]
  if (face.tracking !== 'none') ticks.push(tick('pv_tracking', say.tracking, face.tracking === 'required'))
  steps[steps.length - 1].push(...ticks)
  const fields = steps.flat()
  const trap = h('input', { name: 'pv_extra', tabindex: -1, autocomplete: 'off' })
  const turn = to => {
    page = to
    const last = page === steps.length - 1
    form.replaceChildren(h('div', {}, steps[page]), h('div', { class: 'z', 'aria-hidden': 'true' }, trap), status, h('div', { class: 'n' }, page ? h('button', { type: 'button', onclick: () => { turn(page - 1); focus(steps[page][0]) } }, say.back) : '', h('button', { class: 'go', type: 'submit' }, last ? face.button : say.next)))
  }
  const touch = () => { if (!started) { started = true; ctx.count('start') } }

  const submit = async event => {
    event.preventDefault()
    if (!check(steps[page])) return
    if (page < steps.length - 1) { turn(page + 1); return focus(steps[page][0]) }
    busy(true)
    try { await send() } catch { status.textContent = say.failed }
    busy(false)
  }
  const busy = is => {
    form.querySelectorAll('button').forEach(one => { one.disabled = is })
    if (is) status.textContent = say.sending
  }
  const send = async (work, tries = 0) => {
    const given = { ...ctx.meta(), lang: face.lang, pv_token: token, pv_extra: trap.value, ...work && { pv_work: work } }
    for (const one of fields) given[one.f.key] = one.read()
    if (sure.has(given.email)) given.pv_sure = given.email
    const answer = await ctx.json(`/b/${face.key}?lang=${face.lang}`, given)
    status.textContent = ''
    if (answer.state === 'thanks') return thanks(answer)
    if (answer.state === 'mend') return mend(answer)
    if (answer.state === 'many') { status.textContent = say.many; return }
    if (tries > 2) throw answer
    token = answer.token || token
    status.textContent = say.sending
    if (answer.state === 'work') return send(await (await import(root + '/b/work.js')).default(answer.challenge), tries + 1)
    await new Promise(go => setTimeout(go, 2100))
    return send(work, tries + 1)
  }
  const mend = answer => {
    let first
    for (const one of fields) if (answer.wrong[one.f.key]) { blame(one, answer.wrong[one.f.key]); first ||= one }
    if (first && !steps[page].includes(first)) turn(steps.findIndex(list => list.includes(first)))
    const mail = fields.find(one => one.f.key === 'email')
    if (answer.suggest) {
      const typed = mail.read(), bdi = h('bdi', { dir: 'ltr' }, answer.suggest), [before, after] = say.meant.split('{}')
      const pick = value => { mail.input.value = value; sure.add(value); blame(mail, ''); form.requestSubmit() }
      mail.wrong.replaceChildren(before, h('button', { type: 'button', onclick: () => pick(answer.suggest) }, bdi), after, ' ', h('button', { type: 'button', onclick: () => { sure.add(typed); pick(typed) } }, say.keep))
      mail.input.setAttribute('aria-invalid', 'true')
      if (!steps[page].includes(mail)) turn(0)
      return mail.wrong.querySelector('button').focus()
    }
    if (first) focus(first)
  }

  // ── Thanks ──
  const thanks = answer => {
    ctx.memory.put('signup')
    ctx.done && ctx.done()
    ticket = answer.ticket
    document.dispatchEvent(new CustomEvent('parvar:identify', { detail: { token: answer.who } }))
    const again = h('button', { type: 'button', disabled: true, onclick: async () => { again.disabled = true; await ctx.json(`/b/${face.key}/again`, { pv_ticket: ticket }).catch(() => {}); note.textContent = say.resent } }, say.again)
    const note = h('p', { class: 'h', role: 'status' })
    let left = 60
    const clock = setInterval(() => { if (--left <= 0) { clearInterval(clock); again.disabled = false; note.textContent = '' } else if (left % 10 === 0) note.textContent = say.wait.replace('{}', fa(left)) }, 1000)
    note.textContent = say.wait.replace('{}', fa(left))
    title.textContent = say.sent
    body.replaceChildren(h('p', {}, face.thanks), h('div', { class: 'n' }, answer.inbox ? h('a', { class: 'go', href: answer.inbox[1], target: '_blank', rel: 'noopener noreferrer' }, say.open.replace('{}', answer.inbox[0])) : '', again), note)
    if (face.after.length) body.append(more())
    title.focus()
  }
  const fa = n => /^fa/.test(face.lang) ? String(n).replace(/\d/g, c => '۰۱۲۳۴۵۶۷۸۹'[c]) : n
  const more = () => {
    const asked = face.after.map(field).filter(Boolean)
    const form = h('form', { class: 'm', novalidate: true }, h('p', {}, h('strong', {}, say.more)), asked, h('div', { class: 'n' }, h('button', { class: 'go', type: 'submit' }, say.save)))
    form.onsubmit = async event => {
      event.preventDefault()
      if (!check(asked)) return
      const given = { pv_ticket: ticket, lang: face.lang }
      for (const one of asked) given[one.f.key] = one.read()
      const answer = await ctx.json(`/b/${face.key}/more?lang=${face.lang}`, given).catch(() => null)
      if (answer && answer.wrong) return asked.forEach(one => blame(one, answer.wrong[one.f.key]))
      form.replaceChildren(h('p', { role: 'status' }, say.saved))
    }
    return form
  }

  // A box with a place in the page is measured unseen, at the width of its place. It fills the room that was kept for it, and takes more
  // only while nobody looks; a page of any policy keeps room by the height of a picture inside the place.
  const fit = async () => {
    const width = getComputedStyle(ctx.el).display === 'inline' ? ctx.el.parentElement.clientWidth : ctx.el.clientWidth
    const style = (name, value) => box.style.setProperty(name, value)
    style('position', 'absolute'); style('visibility', 'hidden'); style('width', width + 'px')
    shadow.append(box)
    const needs = box.offsetHeight
    box.remove()
    if (needs > room + 1 && face.shape === 'inline') await ctx.still()
    for (const name of ['position', 'visibility', 'width']) box.style.removeProperty(name)
    if (needs <= room + 1) style('min-height', room + 'px')
    shadow.replaceChildren()
  }

  // ── Onto the page ──
  form = h('form', { novalidate: true, onsubmit: submit, onfocusin: null })
  form.addEventListener('focusin', touch)
  turn(0)
  const body = h('div', {}, face.inviter ? h('p', { class: 'h' }, face.inviter) : '', looks.image ? h('img', { src: `${root}/b/${face.key}/image`, alt: '', width: 320, height: 176 }) : '', face.body.split('\n').filter(Boolean).map(line => h('p', {}, line)), form)
  box.append(title, body)
  if (overlay) {
    box.append(h('button', { class: 'x', type: 'button', 'aria-label': say.close, onclick: close }, '×'))
    box.addEventListener('keydown', event => { if (event.key === 'Escape') { event.preventDefault(); close() } })
    box.addEventListener('cancel', event => { event.preventDefault(); close() })
    back = document.activeElement
    document.body.append(host)
  } else if (!ctx.el) return
  await Promise.all(waits)
  if (!overlay) await fit()
  shadow.append(box)
  if (modal) { box.showModal(); title.focus() }
  if (overlay) ctx.count('open')
  if (face.shape === 'locker') lock(ctx)
}

// The rest of the page waits behind a locker; it stays in the page, for readers without script and for search engines.
const lock = ctx => {
  const rest = document.querySelector(ctx.el.dataset.parvarLocks || ':not(*)')
  if (!rest) return
  rest.inert = true
  rest.style.setProperty('filter', 'blur(6px)')
  rest.setAttribute('aria-hidden', 'true')
  ctx.done = () => { rest.inert = false; rest.style.removeProperty('filter'); rest.removeAttribute('aria-hidden') }
}
