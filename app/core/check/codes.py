"""Every finding's code, with what it means and what to do: the reference page is made from this.

Owns the words about findings. Must not find anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class About:
    """`level` is error (nothing is published) or warning (can be allowed with a reason)."""

    code: str
    level: str
    group: str
    meaning: str
    remedy: str


_YAML: Final = """
tab | Tabs look like indentation and are not the same everywhere. | Indent with two spaces.
not-utf-8 | Some bytes of the file are no UTF-8 text. | Save the file as UTF-8.
control-character | An invisible control character stands in the file, mostly by pasting. | Delete it.
file-too-large | A file has at most 200,000 characters and 50,000 values. | Split the campaign, or move mails out of it.
too-deep | Blocks are nested more than 40 deep. | Move part of it into a fragment or a campaign of its own.
tag | YAML tags such as `!!str` change the type of a value unseen. | Delete it; write a text in quotes.
anchor | Anchors are a second way to share text. | Write it out, or use a fragment.
alias | Aliases are a second way to share text. | Write it out, or use a fragment.
directive | Lines such as `%YAML 1.1` would change how the file is read. | Delete the line.
document | A file is one document; only `*.test.yaml` may hold several, with `---` between them. | Make two files.
empty-file | There is nothing in the file. | Write it, or delete it.
key-not-text | A key is a list or a block. | Write `key: value`.
merge-key | `<<` would bring in keys from elsewhere unseen. | Write the keys out.
duplicate-key | The same key stands twice in one block; only one of them could count. | Keep one.
yaml | The text is no YAML, for a reason rarer than the others. | Put texts in quotes.
yaml-quote | A quote is not closed, or text stands after one that is. | Close it; quote the whole text.
yaml-bracket | A bracket is not closed, or a comma is missing inside. | Close it; quote texts with `, : { } [ ]`.
yaml-colon | A text holds `: `, which begins a value. | Put the text in quotes.
yaml-key | A line that should be `key: value` has no colon. | Add it, or quote a text of several lines.
yaml-list | A list begins on the line of its key. | Begin it on the next line, or use `[…]`.
yaml-indentation | A line stands neither under its block nor under the one before. | Line it up.
yaml-escape | In double quotes `\\` begins an escape. | Write `\\\\`, or use single quotes.
yaml-character | A text begins with a character that means something in YAML. | Put it in quotes.
yaml-block | A text of several lines begins on the line of `|` or `>`. | Begin it on the next line.
"""
_FORM: Final = """
unknown-key | The key is not known at this place; the nearest known one is named. | Write that one.
missing-key | A key that must be there is not. | Add it.
wrong-sort | A list stands where a text should, a text where a number should, and so on. | Write it as shown.
bad-value | The value is of the right sort and wrongly written. | Write it as shown.
unknown-word | Only a few words may stand here. | Choose one of them.
unknown-form | None of the keys says what this block is. | Begin with one of the keys named.
two-in-one | Two steps (or two entries) stand in one block, mostly by a forgotten dash. | Begin a line of its own.
colon-space | After a key comes a colon and a space. | Add the space.
comma-ended-text | Between braces a comma ends an unquoted text. | Quote the text.
quotes-missing | A text needs quotes here, or it would be read as a number. | Quote it.
empty-text | A text for people is empty. | Write it, or leave the key out.
empty-list | The list has no items. | Add one, or leave the key out.
empty-table | The block has nothing in it. | Say something, or leave it out.
too-few | The block needs more entries: a test has two arms at least. | Add one.
too-many | There are more entries than are allowed. | Take some out.
too-long | The text is longer than anything that would be read. | Shorten it.
out-of-bounds | The number is too small or too large here. | Write one within the bounds.
foreign-digit | Persian or Arabic digits stand in a key or number; in texts they are welcome. | Write Latin digits.
arabic-letter | Arabic ye or kaf stands in a key; it looks like the Persian one and is not. | Write the Persian letter.
foreign-sign | A Persian or typographic sign stands in a key or number. | Write the plain one.
invisible-character | A ZWNJ, a mark of direction or an odd space stands in a key or number. | Delete it.
decomposed-letter | A letter is written as two characters. | Type it again.
shares | Shares do not make 100%. | Mend them.
answers-none | An `ask` does not say what happens without an answer. | Add `none: []`.
else-last | Something stands after `else` and is never reached. | Put `else` last.
choose-one | A `choose` has no question. | Add one.
if-past | A wait for a fixed date must say what happens when it is over. | Add `if_past:`.
two-shifts | `days` and `before` both move the moment. | Keep one.
two-bodies | A campaign has sequences or a stream. | Keep one.
two-times | `by` and `at` both say when. | Keep one.
again-each | Only an event has a field that tells runs apart. | Use `{after: …}`.
nested-fragment | A fragment uses a fragment. | Write its steps out.
box-without-email | A box does not ask for the address. | Add `email` to its fields.
box-steps | The pages of a form show other fields than the box asks for. | Share the same fields out.
survey-scale | A survey has a scale or options, exactly one of them. | Write one.
quiet-day | A quiet day has `days` or `dates`, exactly one of them. | Write one.
options-unused | Only a choice has options. | Make it a choice.
scoring-narrowed | The rule is narrowed by something its signal does not have. | Score another signal.
reserved-word | The word has a meaning of its own. | Choose another.
image-without-alt | People who do not see the picture get nothing. | Say what it shows.
scenario-person | A story is about one person: `as` or `subscriber`. | Write one of them.
expect-mail | A subject, word or offer is expected of no mail. | Name the mail.
"""
_NAMES: Final = """
missing-file | `campaigns/site.yaml` and `campaigns/ladder.yaml` must exist. | Create it.
duplicate-file | Two files declare the same key. | Rename one.
file-name | The file's name and the key in it differ, or its ending is not `.yaml`. | Make them agree.
first-key | The first key says what a file is. | Put it on the first line.
wrong-folder | The folder is for another sort of file. | Move it.
unknown-mail | No template has this name. | Correct it, or write the mail.
unknown-box | No box has this key. | Correct it, or create it.
unknown-offer | No offer has this key. | Correct it, or create it.
unknown-survey | No survey has this key. | Correct it, or create it.
unknown-campaign | No campaign has this key. | Correct it, or create it.
unknown-fragment | No fragment has this key. | Correct it, or create it.
unknown-person | Nobody under `people/` has this key. | Correct it, or create one.
unknown-topic | The topic is not declared in `site.yaml`. | Correct it, or declare it.
unknown-event | The event is not declared in `site.yaml`. | Correct it, or declare it.
unknown-attribute | The attribute is not declared in `site.yaml`. | Correct it, or declare it.
unknown-stage | The ladder has no such stage. | Correct it.
unknown-kind | The ladder has no such kind. | Correct it.
unknown-webhook | The webhook is not declared in `site.yaml`. | Correct it, or declare it.
unknown-priority | `priorities` in `site.yaml` does not name it. | Correct it, or add it.
unknown-locale | The site does not speak this language. | Correct it, or add it to `locales`.
unknown-subject | The mail has no other subject of this name. | Add it under `subjects:` of the mail.
unknown-link | The mail has no link of this name. | Name the link in the mail.
unknown-answer | The survey cannot be answered so. | Write an answer it has.
unknown-field | The event has no such field. | Correct it, or declare it.
unknown-split | No campaign has a split of this name. | Correct it.
unknown-arm | The split has no such arm. | Correct it.
unknown-step | `moved` leads to a step that does not exist. | Name one that does.
answer-twice | A number stands in two ranges. | Let each stand in one.
bad-attribute-value | The value is not of the attribute's declared type. | Write one that is.
duplicate-id | Two different steps have the same id. | Give one an `id:` of its own.
hand-over-self | A campaign hands over to itself, which refuses. | Name another.
unreachable-rung | Not even somebody who does everything gets the score asked for. | Ask for less, or give more points.
rung-without-rise | A stage has no `rise`, so nobody comes up to it. | Add one.
offer-end-unknown | A wait for the end of an offer has no offer, or one without an end. | Send the offer first.
offer-lacks | A mail shows a deadline, stock or code the offer does not have. | Add it to the offer.
mail-without-locale | On a site of several languages each mail says its own. | Rename it: `name.fa.md`.
mail-needs-offer | The mail shows an offer and the step gives none. | Add `offer:`.
mail-needs-ask | The mail asks a survey and the step does not wait for the answer. | Use `ask`.
mail-needs-event | The mail shows a field of an event that not every run here has. | Enter by that event only.
twin-service | One language twin is a service mail and the other is not. | Make them agree.
deliver-not-service | A box promises the mail, and limits could hold it back. | Add `service: true` to its head.
"""
_MEANING: Final = """
missing-text | The text lacks one of the site's languages; those people see another one. | Add it.
missing-twin | The mail lacks one of the site's languages. | Write it.
unreachable-any | Every stage has its own sequence, so `any` is never taken. | Remove it.
unreachable-step | Everything before it ends the run. | Remove it, or move it up.
unreachable-option | The same question stands above it. | Remove it.
unreachable-kind | Another kind asks the same and comes first. | Remove one.
same-arms | A test whose arms do the same shows nothing. | Change one.
moved-still-here | `moved` or `removed` speaks of a step that is still there. | Remove the line.
mail-twice | A run sends each mail once; the second is passed over. | Send another.
wait-for-nothing | Nothing comes after the wait. | Remove it.
notice-after-mail | A notice to a colleague waits for a mail that limits may hold back. | Put it before the mail.
mails-too-close | By the waits alone these mails break a limit: the later ones are delayed. | Wait longer.
lapsing-while | Time alone ends the run in the middle: a visit grows old, a score fades. | Ask it at the entry.
no-way-in | Nobody can enter the campaign. | Give it an entry, or retire it.
entry-over | The date of the entry is past. | Retire the campaign, or set a new date.
article-over | The article is past its `until`. | Remove it.
date-over | The wait is for a date that is past. | Set another.
hand-over-refused | The target refuses everybody who comes from here. | Publish it, or give it that stage.
else-unknown | `else` also takes people of whom the thing asked is not known. | Ask `not known('…')` first.
first-rung | Everybody begins at the first stage; what it asks is never asked. | Remove it.
ladder-flaps | People rise and fall at the same score, again and again. | Let `fall` hold for a while, lower down.
ladder-stuck | After a fall nothing that happens could raise the person again. | Let `rise` ask for a deed.
at-in-quiet-hours | The clock names a time at which no mail leaves. | Choose the end of the quiet hours.
delay-too-short | A mail over the longest limit is skipped before the limit lets it go. | Lengthen `delay_up_to`.
delay-too-long | A mail may be delayed so long that it is then skipped as stale. | Shorten `delay_up_to`.
fresh-too-long | The mail is skipped as stale before its own `fresh_for` is over. | Shorten it.
discount-first | The first thing people get is a discount; it teaches them to wait for the next. | Give something first.
no-exit-on-purchase | People who have bought are still sold to. | Add `goal: "bought()"`.
deadline-not-real | Nothing ends for the person at the deadline she is told. | Give each person a code of her own.
stock-not-real | The stock runs out and a shared code goes on. | Hold the mail when the pool is empty.
offer-over | The offer has ended. | Set a later end, or remove it.
mail-unused | Nothing sends the mail. | Send it, or remove it.
never-used | Nothing uses what is declared here. | Use it, or remove it.
answer-unheard | Some answers lead nowhere. | Add a line for them, if only `[]`.
not-yet-acting | The part is read and checked, and does nothing yet. | Keep the campaign a draft until it does.
allow-unknown | `allow` names no finding there is. | Correct the code.
allow-unused | The finding that is allowed is not found. | Remove the line.
allow-expired | The date of the allowance is past. | Mend the finding, or give a later date.
"""


def _abouts() -> Iterator[About]:
    groups = (
        ("YAML", "error", _YAML),
        ("Form", "error", _FORM),
        ("Names", "error", _NAMES),
        ("Meaning", "warning", _MEANING),
    )
    for group, level, table in groups:
        for line in table.strip().splitlines():
            code, meaning, remedy = (part.strip() for part in line.replace("`|`", "`\0`").split(" | "))
            yield About(code, level, group, meaning.replace("\0", "|"), remedy.replace("\0", "|"))


CODES: Final[Mapping[str, About]] = MappingProxyType({about.code: about for about in _abouts()})
"""Code → what it means. Codes of conditions (`condition-…`) and of mails are described by their own rooms."""
