// The box doctor: opened by adding #parvar-doctor to a page's address, it says what works here and what does not.
export default (root, places) => {
  const lines = [], shifts = []
  const say = (ok, text) => { lines.push([ok, text]); draw() }
  const panel = document.createElement('div'), shadow = panel.attachShadow({ mode: 'open' }), list = document.createElement('ul')
  const sheet = new CSSStyleSheet()
  sheet.replaceSync('ul{all:initial;display:block;position:fixed;inset:1rem auto auto 1rem;max-width:30rem;z-index:2147483647;background:#10201a;color:#fff;font:15px/1.6 system-ui;padding:1rem 1.2rem;border-radius:10px;list-style:none;direction:ltr}li{margin:.2rem 0}')
  shadow.adoptedStyleSheets = [sheet]
  shadow.append(list)
  const draw = () => list.replaceChildren(...lines.map(([ok, text]) => Object.assign(document.createElement('li'), { textContent: (ok ? '✓ ' : '✗ ') + text })))
  document.body.append(panel)
  say(true, `The script is here, from ${root}`)
  say(places.length > 0, places.length ? `Places for boxes: ${places.map(([key]) => key).join(', ')}` : 'No place for a box: add <div data-parvar="…"></div>')
  document.addEventListener('securitypolicyviolation', event => say(false, `The page's policy forbids ${event.blockedURI} (${event.effectiveDirective}): allow ${root} there`))
  new PerformanceObserver(seen => { for (const one of seen.getEntries()) if (!one.hadRecentInput) shifts.push(one.value) }).observe({ type: 'layout-shift', buffered: true })
  for (const [key] of places) fetch(`${root}/b/${key}/face`).then(async answer => {
    if (answer.status === 404) return say(false, `${key}: there is no live box of this name; publish it`)
    const face = await answer.json()
    say(true, `${key}: live, shape ${face.shape}, and this origin may show it`)
    const here = face.show.some(rule => !rule.pages || rule.pages.some(page => page.endsWith('*') ? location.pathname.startsWith(page.slice(0, -1)) : page === location.pathname))
    if (face.show.length) say(here, here ? `${key}: this page is one of its pages` : `${key}: its rules name other pages than ${location.pathname}`)
  }, () => say(false, `${key}: not answered. Either ${location.origin} is missing in origins: of its file, or the page's connect-src does not allow ${root}`))
  setTimeout(() => say(shifts.reduce((a, b) => a + b, 0) === 0, `Layout shift so far: ${shifts.reduce((a, b) => a + b, 0).toFixed(3)}`), 3000)
}
