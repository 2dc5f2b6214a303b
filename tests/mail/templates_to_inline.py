# ruff: noqa: E501 - a template reads best on one line
"""Bodies of many kinds, each with a style sheet, for the proof that inlining once equals inlining for each reader."""

from __future__ import annotations

CARD = (
    ".card{padding:12px;background-color:#fff;border:1px solid #ddd} .card p{margin:0 0 8px;color:#333} a{color:#06c}"
)
TABLE = "table{border-collapse:collapse} td{padding:4px 8px;vertical-align:top} td.n{text-align:right;font-weight:bold} tr{background-color:#fafafa}"
DARK = (
    "@media (prefers-color-scheme: dark){.card{background-color:#111!important}} [data-ogsc] .card{color:#eee!important} "
    + CARD
)
PHONE = "@media only screen and (max-width:480px){.col{display:block!important;width:100%!important}} .col{width:50%;padding:0 6px}"
HACKS = ".ExternalClass{width:100%} #outlook a{padding:0} u + #body .x{margin:0} * [lang=x-wrapper]{color:red} .x{margin:4px}"
VML = (
    '<!--[if mso]><v:roundrect xmlns:v="urn:schemas-microsoft-com:vml" href="https://example.com/buy?a=1&amp;b=2" '
    'style="height:40px;v-text-anchor:middle;width:200px" arcsize="10%" fillcolor="#06c"><w:anchorlock/><center>Buy</center>'
    '</v:roundrect><![endif]--><!--[if !mso]><!--><a class="button" href="https://example.com/buy?a=1&amp;b=2">Buy</a><!--<![endif]-->'
)
ROWS = '<table><tr><th>Item</th><th>N</th></tr>{% for i in event["items"] %}<tr><td>{{ i.name }}</td><td class="n">{{ i.n }}</td></tr>{% endfor %}</table>'

# name: (body, style, locale)
TEMPLATES: dict[str, tuple[str, str, str]] = {
    "a plain paragraph": ("<p>Hello</p>", "p{margin:0;color:#222}", "en"),
    "a name in a sentence": ("<p>Hello {{ subscriber.first_name }}!</p>", "p{margin:0}", "en"),
    "a condition around a paragraph": (
        "{% if subscriber.vip %}<p>VIP</p>{% endif %}<p>All</p>",
        "p{margin:0 0 9px}",
        "en",
    ),
    "branches": (
        "{% if subscriber.vip %}<p>a</p>{% elif offer.left > 3 %}<h2>b</h2>{% else %}<div>c</div>{% endif %}",
        "p,h2{color:red} div{color:blue}",
        "en",
    ),
    "rows of a table in a loop": (ROWS, TABLE, "en"),
    "rows with a section each": (
        "<table>{% for i in event['items'] %}<tbody><tr><td>{{ i.name }}</td></tr></tbody>{% endfor %}</table>",
        TABLE,
        "en",
    ),
    "cells in a loop": (
        "<table><tr>{% for i in event['items'] %}<td>{{ i.n }}</td>{% endfor %}</tr></table>",
        TABLE,
        "en",
    ),
    "a loop in a loop": (
        "<ul>{% for i in event['items'] %}{% for n in range(i.n) %}<li>{{ i.name }}</li>{% endfor %}{% endfor %}</ul>",
        "li{margin:2px} ul{padding:0}",
        "en",
    ),
    "an empty loop with else": (
        "<ul>{% for i in [] %}<li>x</li>{% else %}<li class=none>none</li>{% endfor %}</ul>",
        "li{margin:2px} .none{color:gray}",
        "en",
    ),
    "loop counters": (
        "{% for i in event['items'] %}<p>{{ loop.index }}. {{ i.name }}{% if not loop.last %},{% endif %}</p>{% endfor %}",
        "p{margin:0}",
        "en",
    ),
    "a card": (
        '<div class="card"><p>{{ subscriber.first_name }}</p><p><a href="https://example.com/">x</a></p></div>',
        CARD,
        "en",
    ),
    "dark mode": ('<div class="card"><p>{{ subscriber.first_name }}</p></div>', DARK, "en"),
    "columns that fold on a phone": (
        '<table><tr><td class="col">{{ subscriber.first_name }}</td><td class="col">b</td></tr></table>',
        PHONE,
        "en",
    ),
    "client hacks": ('<div id="body"><p class="x">{{ subscriber.first_name }}</p></div>', HACKS, "en"),
    "a VML button": (
        f"<p>{{{{ subscriber.first_name }}}}</p>{VML}",
        ".button{padding:10px;background-color:#06c;color:#fff}",
        "en",
    ),
    "a VML button in a condition": (f"{{% if subscriber.vip %}}{VML}{{% endif %}}", ".button{padding:10px}", "en"),
    "an MSO table around": (
        "<!--[if mso]><table width=600><tr><td><![endif]--><p>{{ subscriber.first_name }}</p><!--[if mso]></td></tr></table><![endif]-->",
        "p{margin:0}",
        "en",
    ),
    "data inside an MSO comment": (
        "<!--[if mso]><p>{{ subscriber.first_name }}</p><![endif]--><p>x</p>",
        "p{margin:0}",
        "en",
    ),
    "the bare conditional form": ("<![if !mso]><p>{{ subscriber.first_name }}</p><![endif]>", "p{margin:0}", "en"),
    "a right-to-left paragraph": (
        '<p dir="rtl">سلام {{ subscriber.first_name }}، می‌خواهم بدانم</p>',
        "p{direction:rtl;text-align:right;line-height:1.9}",
        "fa",
    ),
    "a right-to-left table in a loop": (ROWS.replace("Item", "نام"), TABLE + " td{direction:rtl}", "fa"),
    "mixed runs": (
        "<p>کد {{ offer.code }} تا {{ offer.ends }} برای {{ subscriber.first_name }}</p>",
        "p{margin:0}",
        "fa",
    ),
    "a style of its own": ('<p style="color:blue">{{ subscriber.first_name }}</p>', "p{color:red;margin:0}", "en"),
    "an important rule over a style of its own": (
        '<p style="color:blue;margin:1px">{{ subscriber.first_name }}</p>',
        "p{color:red!important;margin:0}",
        "en",
    ),
    "data in a style": ('<p style="width: {{ offer.left }}px; color: blue">x</p>', "p{color:red;margin:0}", "en"),
    "a condition in a style": (
        '<p style="{% if subscriber.vip %}color:gold{% endif %}">x</p>',
        "p{color:red;margin:0}",
        "en",
    ),
    "data in a title": ('<p title="{{ subscriber.first_name }}">x</p>', "p{margin:0} [title]{border:0}", "en"),
    "data in an address": (
        '<a href="https://example.com/?n={{ subscriber.first_name }}&amp;x=1">go</a>',
        "a{color:red}",
        "en",
    ),
    "an address from data": ('<a href="{{ event.url }}" class="b">go</a>', "a.b{color:red;padding:4px}", "en"),
    "a condition in an address": (
        '<a href="{% if subscriber.vip %}https://example.com/v{% else %}https://example.com/n{% endif %}">go</a>',
        "a{color:red}",
        "en",
    ),
    "quotes and angle brackets in an expression": (
        "<p>{{ 'a > b' if subscriber.vip else \"c < d\" }}</p>",
        "p{margin:0}",
        "en",
    ),
    "raw braces": ("<p>{% raw %}{{ not a variable }}{% endraw %}</p>", "p{margin:0}", "en"),
    "a template comment": ("<p>a{# nobody sees this <b> #}b</p>", "p{margin:0}", "en"),
    "an assignment": ("{% set who = subscriber.first_name ~ '!' %}<p>{{ who }}</p>", "p{margin:0}", "en"),
    "a macro": (
        "{% macro row(x) %}<b>{{ x }}</b>{% endmacro %}<p>{{ row(subscriber.first_name) }}</p>",
        "p{margin:0}",
        "en",
    ),
    "white-space control": ("<p>a {%- if subscriber.vip -%} b {%- endif %} c</p>", "p{margin:0}", "en"),
    "specificity": (
        '<div id="d"><p class="a b">{{ subscriber.first_name }}</p></div>',
        "p{color:a} .a{color:b} #d p{color:c} .a.b{color:d} div p{color:e}",
        "en",
    ),
    "shorthands keep their order": (
        '<p class="x">{{ subscriber.first_name }}</p>',
        "p{padding-left:3px} .x{padding:0} p.x{padding-left:9px}",
        "en",
    ),
    "values no old parser knows": (
        '<p class="x">{{ subscriber.first_name }}</p>',
        ".x{color:rgb(0 0 0 / 50%);width:calc(100% - 8px);margin:clamp(1px,2vw,3px)}",
        "en",
    ),
    "pseudo-classes": (
        '<a class="x" href="https://example.com/">{{ subscriber.first_name }}</a>',
        "a{color:red} a:hover{color:blue} .x::before{content:'x'}",
        "en",
    ),
    "a font face and keyframes": (
        "<p>{{ subscriber.first_name }}</p>",
        "@font-face{font-family:V;src:url(https://example.com/v.woff2)} @keyframes k{from{opacity:0}} p{font-family:V,Tahoma}",
        "en",
    ),
    "a supports block": (
        "<p>{{ subscriber.first_name }}</p>",
        "@supports (display:grid){p{color:blue}} p{color:red}",
        "en",
    ),
    "attribute selectors": (
        '<td-x></td-x><table><tr><td align="center">{{ subscriber.first_name }}</td></tr></table>',
        'td[align="center"]{color:red} td{margin:0}',
        "en",
    ),
    "entities": ("<p>&nbsp;&amp;&lt;&copy;&#8212;&zwnj; {{ subscriber.first_name }}</p>", "p{margin:0}", "en"),
    "a list with an image": (
        '<ul><li><img src="https://example.com/a.png" alt="a" width="9">{{ subscriber.first_name }}</li></ul>',
        "img{border:0;display:block} li{margin:0}",
        "en",
    ),
    "a child selector": (
        "<div><p>{{ subscriber.first_name }}</p></div>",
        "div > p{margin:0} body > p{color:gray}",
        "en",
    ),
    "a macro with elements the sheet speaks of": (
        "{% macro m(x) %}<b>{{ x }}</b>{% endmacro %}<p>{{ m(1) }}</p>",
        "b{color:red}",
        "en",
    ),
    "half a tag in a branch": (
        "{% if subscriber.vip %}<div class=a>{% else %}<div class=b>{% endif %}x</div>",
        ".a{color:red} .b{color:blue}",
        "en",
    ),
    "several style sheets": (
        "<style>p{color:blue}</style><p>{{ subscriber.first_name }}</p>",
        "p{color:red;margin:0}",
        "en",
    ),
}

# These must be noticed: their structure depends on the reader.
DEPENDENT: dict[str, tuple[str, str]] = {
    "a class from data": ('<p class="{{ subscriber.first_name }}">x</p>', "p{margin:0} .Alice{color:red}"),
    "an attribute in a condition": (
        '<td-x><p {% if subscriber.vip %}class="v"{% endif %}>x</p></td-x>',
        ".v{color:gold}",
    ),
    "a condition in the style sheet": ("<p>x</p>", "p{margin:0} {% if subscriber.vip %}p{color:gold}{% endif %}"),
    "the first of a loop": (
        "<ul>{% for i in event['items'] %}<li>{{ i.name }}</li>{% endfor %}</ul>",
        "li:first-child{color:red}",
    ),
    "a neighbour of a loop": ("{% for i in event['items'] %}<p>{{ i.name }}</p>{% endfor %}", "p + p{margin-top:0}"),
    "elements our own isolation makes": (
        "<p>{{ subscriber.first_name }} {{ offer.code }}</p>",
        "bdi{font-weight:bold}",
    ),
    "HTML from data": ("<div>{{ subscriber.first_name|safe }}</div>", "b{color:red}"),
}
