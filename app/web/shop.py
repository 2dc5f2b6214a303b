"""The demo's shop: a site of its own, on another port, into which our boxes are embedded as into any other.

Owns its few pages in Persian and English, under a policy stricter than most. It knows Parvar by one address only, as
a real shop would, and stores nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Flask, Response, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_FA = {ord("0") + digit: chr(0x06F0 + digit) for digit in range(10)} | {ord(","): "٬"}
LANGUAGES = ("en", "fa")


@dataclass(frozen=True, slots=True)
class Product:
    """Something the shop sells; the price in tomans a week."""

    key: str
    name: dict[str, str]
    about: dict[str, str]
    price: int


PRODUCTS = (
    Product(
        "small-crate",
        {"en": "The small crate", "fa": "جعبهٔ کوچک"},
        {
            "en": "Six kinds, ten kilos. Enough for a café with six tables.",
            "fa": "شش قلم، ده کیلو. برای کافه‌ای با شش میز کافی است.",
        },
        980_000,
    ),
    Product(
        "mixed-basket",
        {"en": "The mixed basket", "fa": "سبد مخلوط"},
        {
            "en": "Ten kinds, about twenty kilos, chosen each Monday from what is best that week.",
            "fa": "ده قلم، نزدیک بیست کیلو، که هر دوشنبه از بهترین‌های همان هفته چیده می‌شود.",
        },
        1_850_000,
    ),
    Product(
        "shop-pallet",
        {"en": "The shop's week", "fa": "هفتهٔ فروشگاه"},
        {
            "en": "Eighteen kinds on two mornings, weighed before your eyes.",
            "fa": "هجده قلم در دو صبح هفته؛ جلوی چشم خودتان وزن می‌شود.",
        },
        5_400_000,
    ),
)


def create_shop(engine_url: str) -> Flask:
    """The shop's application; `engine_url` is where Parvar answers."""
    shop = Flask("app.web", static_folder="static", template_folder="templates")
    shop.jinja_env.trim_blocks = shop.jinja_env.lstrip_blocks = True
    shop.jinja_env.filters["price"] = price
    shop.register_blueprint(_pages())
    split = urlsplit(engine_url)
    engine = f"{split.scheme}://{split.netloc}"

    @shop.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'self' {engine}; connect-src {engine}; img-src 'self' data: {engine}; "
            f"style-src 'self'; form-action 'self' {engine}; frame-src {engine}; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
        return response

    @shop.context_processor
    def shown() -> dict[str, object]:
        return {
            "engine": engine_url,
            "lang": language(),
            "dir": "rtl" if language() == "fa" else "ltr",
            "to": address,
            "other": address(request.path, "en" if language() == "fa" else "fa"),
            "products": PRODUCTS,
        }

    return shop


def language() -> str:
    """The language of this page: asked for in the address, else the browser's."""
    if "shop_language" not in g:
        asked = request.args.get("lang", "")
        g.shop_language = asked if asked in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "en"
    return str(g.shop_language)


def address(path: str, lang: str = "") -> str:
    """A page of the shop in a language; what a mail's link brought along stays in the address."""
    kept = {key: request.args[key] for key in ("pv_friend", "utm_medium") if key in request.args}
    return f"{path}?{urlencode({'lang': lang or language(), **kept})}"


def price(amount: int) -> str:
    """An amount in tomans as people write it."""
    return f"{amount:,}".translate(_FA) + " تومان" if language() == "fa" else f"{amount:,} tomans"


def _pages() -> Blueprint:
    pages = Blueprint("shop", __name__)

    @pages.get("/")
    def home() -> ResponseReturnValue:
        return render_template("shop/home.html")

    @pages.get("/fa/")
    def persian() -> ResponseReturnValue:
        return redirect("/?lang=fa")

    @pages.get("/en/")
    def english() -> ResponseReturnValue:
        return redirect("/?lang=en")

    @pages.get("/blog/seven-methods")
    def article() -> ResponseReturnValue:
        return render_template(f"shop/article.{language()}.html")

    @pages.get("/pricing")
    def pricing() -> ResponseReturnValue:
        return render_template("shop/pricing.html")

    @pages.get("/products")
    def products() -> ResponseReturnValue:
        return render_template("shop/products.html", chosen=PRODUCTS)

    @pages.get("/products/<key>")
    def product(key: str) -> ResponseReturnValue:
        found = tuple(one for one in PRODUCTS if one.key == key)
        return render_template("shop/products.html", chosen=found or PRODUCTS)

    @pages.get("/advice")
    def advice() -> ResponseReturnValue:
        return render_template("shop/advice.html")

    @pages.get("/cart")
    def cart() -> ResponseReturnValue:
        return render_template("shop/cart.html")

    @pages.get("/<path:rest>")
    def other(rest: str) -> ResponseReturnValue:
        """Mails of the examples lead to many pages of a real shop; here each of them is the same short one."""
        return render_template("shop/other.html", rest=rest)

    return pages


def serve() -> WSGIApplication:
    """What the web server's processes load: the shop beside the Parvar of PARVAR_BASE_URL."""
    return create_shop(os.environ.get("PARVAR_BASE_URL", "http://127.0.0.1:8000").rstrip("/"))
