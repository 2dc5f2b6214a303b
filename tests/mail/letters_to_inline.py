# ruff: noqa: E501 - a template reads best on one line
"""Whole letters as shops and papers write them, in both directions, for the proof that inlining once equals inlining
for each reader: tables in tables, Outlook's own tables and shapes, dark mode, phones, loops and conditions together.
"""

from __future__ import annotations

_RESET = "body{margin:0;padding:0;background-color:#f4f4f4} table,td{border-collapse:collapse;mso-table-lspace:0pt;mso-table-rspace:0pt} img{border:0;display:block} #outlook a{padding:0} .ExternalClass{width:100%} a{color:#0a6c74;text-decoration:underline} "
_FOLD = "@media only screen and (max-width:599px){.w{width:100%!important}.col{display:block!important;width:100%!important}.hide{display:none!important}} "
_NIGHT = "@media (prefers-color-scheme: dark){.sheet{background-color:#1b1b1b!important}.sheet p,.sheet td{color:#eee!important}} [data-ogsc] .sheet td{color:#eee!important} u + #body .sheet{width:100%} "
_WORDS = "p{margin:0 0 14px;font-size:16px;line-height:1.6;color:#222} h1{font-size:24px;margin:0 0 12px;color:#111} .small{font-size:13px;color:#555} .n{text-align:right;font-weight:bold} .sheet{background-color:#fff;width:600px}"
_ALL = _RESET + _FOLD + _NIGHT + _WORDS

_GHOST = '<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0"><tr><td><![endif]-->{0}<!--[if mso]></td></tr></table><![endif]-->'
_SHAPE = '<!--[if mso]><v:roundrect xmlns:v="urn:schemas-microsoft-com:vml" xmlns:w="urn:schemas-microsoft-com:office:word" href="{0}" style="height:44px;v-text-anchor:middle;width:220px" arcsize="12%" strokecolor="#0a6c74" fillcolor="#0a6c74"><w:anchorlock/><center style="color:#ffffff">Go</center></v:roundrect><![endif]--><!--[if !mso]><!--><a class="button" href="{0}" style="background-color:#0a6c74;color:#fff;display:inline-block;padding:12px 24px;mso-hide:all">Go</a><!--<![endif]-->'
_HERO = '<td background="https://example.com/hero.png" bgcolor="#0a6c74" valign="top"><!--[if gte mso 9]><v:rect xmlns:v="urn:schemas-microsoft-com:vml" fill="true" stroke="false" style="width:600px;height:200px"><v:fill type="frame" src="https://example.com/hero.png" color="#0a6c74"/><v:textbox inset="0,0,0,0"><![endif]--><div><h1 style="color:#fff">{0}</h1></div><!--[if gte mso 9]></v:textbox></v:rect><![endif]--></td>'


def _letter(inner: str) -> str:
    """A sheet in the middle, as nearly every mail has it."""
    sheet = (
        '<table class="sheet w" role="presentation" align="center" cellpadding="0" cellspacing="0"><tr><td style="padding:24px">'
        + inner
        + "</td></tr></table>"
    )
    return (
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">'
        + _GHOST.replace("{0}", sheet)
        + "</td></tr></table>"
    )


_ORDER = _letter(
    "<h1>Order 1234</h1><p>Thank you, {{ subscriber.first_name }}.</p><table width='100%'><tr><th>Item</th><th class='n'>N</th></tr>{% for i in event['items'] %}<tr{# each #}><td>{{ i.name }}</td><td class='n'>{{ i.n }}</td></tr>{% endfor %}<tr><td>Together</td><td class='n'>{{ offer.price }}</td></tr></table>"
    + _SHAPE.replace("{0}", "https://example.com/order?id=1234&amp;from=mail")
)
_PAPER = _letter(
    "<h1>This week</h1>{% for i in event['items'] %}<table role='presentation' class='w'><tr><td class='col' width='180'><img src='https://example.com/{{ i.n }}.png' alt='{{ i.name }}' width='180'></td><td class='col' style='padding:0 0 0 16px'><h2>{{ i.name }}</h2><p>{% if i.n > 2 %}Plenty of it.{% else %}Only {{ i.n }} left.{% endif %} <a href='https://example.com/read/{{ i.n }}'>Read on</a></p></td></tr></table>{% endfor %}"
)
_WELCOME = (
    '<table role="presentation" class="w" width="600" align="center"><tr>'
    + _HERO.replace("{0}", "Hello {{ subscriber.first_name }}")
    + "</tr><tr><td class='sheet'><p>{% if subscriber.vip %}Your table by the window waits.{% else %}Good to have you.{% endif %}</p></td></tr></table>"
)
_OFFER = _letter(
    "<p>Until {{ offer.ends }}: <b class='n'>{{ offer.code }}</b></p>{% if offer.left > 10 %}<p class='small'>Many are left.</p>{% elif offer.left > 0 %}<p class='small'>{{ offer.left }} are left.</p>{% endif %}"
    + _SHAPE.replace("{0}", "{{ event.url }}")
)
_NPS = _letter(
    "<p>How likely are you to tell a friend?</p><table role='presentation' width='100%'><tr>{% for n in range(11) %}<td align='center' style='border:1px solid #ccc'><a href='https://example.com/s/{{ n }}'>{{ n }}</a></td>{% endfor %}</tr></table><p class='small hide'>0: not at all</p>"
)
_FA = _letter(
    "<h1>سلام {{ subscriber.first_name }}</h1><p>سفارش <bdi>1234</bdi> رسید.</p><table dir='rtl' width='100%' style='direction:rtl'>{% for i in event['items'] %}<tr><td style='text-align:right'>{{ i.name }}</td><td class='n'>{{ i.n }}</td></tr>{% else %}<tr><td>هیچ</td></tr>{% endfor %}</table>"
    + _SHAPE.replace("{0}", "https://example.com/fa?q=%D8%A7&amp;n=1")
)
_FA_PAPER = _letter(
    "{% for i in event['items'] %}<table role='presentation' dir='rtl' class='w'><tr><td class='col' width='60%' dir='rtl' style='direction:rtl;text-align:right;padding-left:16px'><p>{{ i.name }}، می‌خواهم</p></td><td class='col' width='40%' dir='rtl'><p class='small'>{{ i.n }}</p></td></tr></table>{% endfor %}<p>{% if subscriber.vip %}«شما» همیشه نخستین خواننده‌اید.{% endif %}</p>"
)
_FA_HERO = (
    '<table role="presentation" dir="rtl" class="w" width="600" align="center"><tr>'
    + _HERO.replace("{0}", "{{ subscriber.first_name }}، خوش آمدید")
    + "</tr></table>"
)

LETTERS: dict[str, tuple[str, str, str]] = {
    "an order with Outlook's own table and button": (_ORDER, _ALL, "en"),
    "an order in plain style": (_ORDER, _WORDS, "en"),
    "an order without a style sheet": (_ORDER, "", "en"),
    "a paper of stories that fold on a phone": (_PAPER, _ALL, "en"),
    "a paper at night only": (_PAPER, _NIGHT + _WORDS, "en"),
    "a hero in VML with a name on it": (_WELCOME, _ALL, "en"),
    "an offer with three branches and a personal shape": (_OFFER, _ALL, "en"),
    "a scale of eleven cells in a loop": (_NPS, _ALL, "en"),
    "a Persian order": (_FA, _ALL, "fa"),
    "a Persian order in plain style": (_FA, _WORDS, "fa"),
    "a Persian paper that folds on a phone": (_FA_PAPER, _ALL, "fa"),
    "a Persian paper at night": (_FA_PAPER, _NIGHT + _WORDS, "fa"),
    "a Persian hero in VML": (_FA_HERO, _ALL, "fa"),
    "a Persian offer with a Latin code": (_OFFER.replace("Until", "مهلت").replace("are left", "مانده"), _ALL, "fa"),
    "a Persian scale": (
        _NPS.replace("How likely are you to tell a friend?", "چقدر احتمال دارد به دوستی بگویید؟"),
        _ALL,
        "fa",
    ),
}
