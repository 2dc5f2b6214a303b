// A picker of Jalali dates: three lists beside a field that can also be typed into. Years first, for birthdays are long ago.
const MONTHS = ['فروردین', 'اردیبهشت', 'خرداد', 'تیر', 'مرداد', 'شهریور', 'مهر', 'آبان', 'آذر', 'دی', 'بهمن', 'اسفند']
const fa = n => String(n).replace(/\d/g, c => '۰۱۲۳۴۵۶۷۸۹'[c])
const isLeap = year => (25 * year + 11) % 33 < 8
const length = (year, month) => month < 7 ? 31 : month < 12 || isLeap(year) ? 30 : 29

export default (input, h) => {
  const now = +new Intl.DateTimeFormat('en-u-ca-persian', { year: 'numeric' }).format(new Date()).match(/\d+/)[0]
  const options = (from, to, text) => Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => { const n = from + (to > from ? i : -i); return h('option', { value: n }, text(n)) })
  const list = (name, items) => h('select', { 'aria-label': name }, h('option', { value: '' }, name), items)
  const day = list('روز', options(1, 31, fa)), month = list('ماه', options(1, 12, n => MONTHS[n - 1])), year = list('سال', options(now, now - 100, fa))
  const put = () => {
    if (!(+day.value && +month.value && +year.value)) return
    if (+day.value > length(+year.value, +month.value)) day.value = length(+year.value, +month.value)
    input.value = fa([year, month, day].map(one => one.value.padStart(2, '0')).join('/'))
    input.dispatchEvent(new Event('input', { bubbles: true }))
  }
  for (const one of [day, month, year]) one.onchange = put
  input.placeholder = '۱۳۷۰/۰۱/۰۱'
  input.after(h('div', { class: 'n', role: 'group', 'aria-label': 'انتخاب تاریخ' }, day, month, year))
}
