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


MAILS: Final = "Mails"
"""The group of what the mail room finds; its warnings are allowed in the head of the mail."""
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
box-waits-for | A box waits for a product it does not ask for. | Add the field that names it.
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

_CONDITIONS: Final = """
condition-never | Nothing here does or sets what is asked for: it never holds. | Correct the name, or remove it.
condition-needless | A part of the condition says what holds anyway. | Remove the part.
"""
_MAIL_ERRORS: Final = """
front-matter-tab | A tab stands in the head of a mail. | Use spaces.
front-matter-line | A line of the head is not `key: value`, or belongs to nothing above it. | Write it as shown.
front-matter-quote | A quote is not closed, or a plain text holds what needs quotes. | Put the text in quotes.
front-matter-type | A key of the head has the wrong sort of value. | Write it as shown.
front-matter-name | A layout or topic is no key. | Use a-z, 0-9, `_` and `-`.
subject-missing | The mail has no subject. | Write one.
mail-in-two-formats | Two files are the same mail in the same language. | Keep one of them.
template-syntax | The template cannot be read. | Close every brace and tag.
template-statement | The statement cannot be used in a mail. | Write it as shown.
block | A block is not named, not opened or not closed. | Write `{% block body %} … {% endblock %}`.
block-unknown | The layout has no such block, so its content would be left out. | Use one of the layout's blocks.
columns | `columns` is not opened or not closed. | Write `{% columns %} … {% endcolumns %}`.
component-argument | A building block misses an argument or gets one it does not take. | Write it as shown.
content-missing | There is no such content. | Write one of the keys named.
content-kind | The content is of another kind. | Call its own kind.
layout-missing | There is no such layout. | Write one of the names shown.
layout-loop | Layouts extend each other without end. | Break the circle.
layout-name | A layout is named by a text. | Write `{% extends "layouts/base.html" %}`.
mjml-not-installed | The mail is in MJML and its compiler is not installed. | `pip install parvar[mjml]`.
mjml-structure | An element or a text stands where MJML has no place for it, or is not closed. | Move or close it.
mjml-attribute | MJML has no such attribute, or its value must be fixed. | Write it as shown.
unknown-variable | Nobody provides this name to the mail. | Write the nearest known one.
twin-link | The languages of one mail name different links. | Give them the same names.
twin-subject | The languages of one mail name different subjects. | Give them the same names.
unsubscribe-missing | A marketing mail shows no unsubscribe link. | Add `{{ links.unsubscribe }}`.
address-missing | A marketing mail shows no postal address. | Add `{{ site.postal_address }}`.
link-empty | A link leads nowhere. | Write its address.
link-relative | A relative address means nothing in a mailbox. | Write the whole address.
image-missing | There is no such picture beside the mails. | Add it, or write its https address.
image-format | The picture is not PNG, JPEG, GIF or WebP. | Save it as one of these.
attachment-missing | There is no such file beside the mails. | Add it.
script-in-mail | No mail program runs scripts, and filters refuse the mail. | Link to a page instead.
"""
_MAIL_WARNINGS: Final = """
inlined-per-reader | Structure depends on data: styles are written for each reader. | Keep structure free of data.
size-clipped | Gmail cuts a mail at 102 KB. | Make it shorter.
style-long | Gmail drops a style sheet over 16 KB. | Remove rules.
image-heavy | A picture weighs over 300 KB. | Make it smaller.
images-mostly | The mail is pictures with hardly a word: filters mind, and many load no pictures. | Say it in words too.
alt-missing | A picture has no alternative text. | Add `alt="…"`, or `alt=""` for an ornament.
alt-name | The alternative text is a file's name. | Say what the picture shows.
image-width-missing | A picture has no width: Outlook draws it in full size. | Add `width="…"`.
lang-missing | The document does not say its language. | Write `<html lang="…">`.
dir-missing | The document does not say its direction. | Write `<html dir="…">`.
direction-mismatch | A part runs against its language's direction. | Write the direction of the mail's language.
letter-spacing | Letter-spacing tears joined letters apart. | Remove it.
link-text-vague | Read aloud by itself, the link does not say where it leads. | Say what is behind it.
link-without-text | A link has neither words nor an alternative text. | Add words.
heading-skipped | A heading of the second or third rank stands without the one above it. | Go down one rank at a time.
text-tiny | Text below 12 px is not read on a phone. | Make it larger.
contrast-low | Text and background are too alike (WCAG asks for 4.5 to 1). | Make one of them darker or lighter.
table-without-headers | A table of data has no header cells. | Write `<th>`, or `role="presentation"` for layout.
link-not-https | The address is not https. | Use the https address.
css-import | Linked or imported styles are never loaded. | Write the rules into `<style>`.
form-in-mail | Most programs do not send forms. | Link to a page, or use a survey.
frame-in-mail | No program shows frames. | Link to a page.
video-in-mail | Few programs play video. | Link to it with a picture.
subject-long | A phone cuts the subject. | Shorten it.
subject-shouting | The subject is in capitals. | Use small letters.
subject-marks | Several exclamation or currency signs look like spam. | Keep one.
preheader-missing | Without a preheader the inbox shows the first words it finds. | Add `preheader:`.
preheader-long | No inbox shows so long a preheader. | Shorten it.
hidden-text | Hidden content looks like spam. | Remove it.
text-empty | The text part says nothing. | Give the pictures alternative texts.
spam-words | Filters know these words. | Say it in your own.
unresolved-placeholder | A placeholder of another system would be sent as it stands. | Write `{{ … }}`, or remove it.
"""


def _abouts() -> Iterator[About]:
    groups = (
        ("YAML", "error", _YAML),
        ("Form", "error", _FORM),
        ("Names", "error", _NAMES),
        ("Meaning", "warning", _MEANING),
        ("Conditions", "warning", _CONDITIONS),
        (MAILS, "error", _MAIL_ERRORS),
        (MAILS, "warning", _MAIL_WARNINGS),
    )
    for group, level, table in groups:
        for line in table.strip().splitlines():
            code, meaning, remedy = (part.strip() for part in line.replace("`|`", "`\0`").split(" | "))
            yield About(code, level, group, meaning.replace("\0", "|"), remedy.replace("\0", "|"))


CODES: Final[Mapping[str, About]] = MappingProxyType({about.code: about for about in _abouts()})
"""Code → what it means. Codes of conditions that are errors (`condition-…`) stand with the language of conditions."""
