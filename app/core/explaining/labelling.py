"""Labelling: what the files call stages, kinds, attributes, options and topics, for sentences about conditions.

Owns gathering these words in one language. A word without a label is shown by its key.
"""

from __future__ import annotations

from app.core.conditions.sentence import Labels, Said
from app.core.site import Ladder, Site


def labels_of(site: Site, ladder: Ladder, locale: str) -> Labels:
    """The words of the files, by what they name."""
    texts: dict[tuple[Said, str], str] = {
        (Said.STAGE, each.key): each.label.in_locale(locale) for each in ladder.stages
    }
    for attribute in site.attributes.values():
        texts[Said.ATTRIBUTE, attribute.key] = attribute.label.in_locale(locale)
        for option, text in attribute.options:
            texts[Said.OPTION, f"{attribute.key}.{option}"] = text.in_locale(locale)
    texts |= {(Said.TOPIC, topic.key): topic.label.in_locale(locale) for topic in site.topics.values()}
    if locale.partition("-")[0] == "fa":
        texts |= {(Said.KIND, key): word for key, word in _KINDS.items()}
    return Labels({key: text for key, text in texts.items() if text})


_KINDS = {
    "ready": "آمادهٔ خرید",
    "returning": "بازگشتی",
    "referred": "توصیه‌شده",
    "interested": "علاقه‌مند",
    "searcher": "جستجوگر",
}
