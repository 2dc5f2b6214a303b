"""Made-up conditions and people for property tests: what is asked, of whom, and a slow, plain second opinion.

Owns the hypothesis strategies that evaluation, next change and the database's answer are held against.
The texts are Persian as often as not, values are missing as often as not, and instants crowd around the edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

from hypothesis import strategies as st

from app.core.conditions import EVER, Condition, Rules, Scope, View, evaluate, parse
from app.core.conditions.needs import walk
from app.core.conditions.tree import HeldFor
from app.core.facts import Fact, FactKind, FactLog, Fields, RunKey, Value
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Instant, Span
from app.core.subscriber import Subscriber

NOW: Instant = 1_793_000_000 * SECOND
STAGES = ("potential", "lead", "prospect", "customer", "loyal")
KINDS = ("none", "ready", "searcher")
SEGMENTS = ("big", "keen")
TAGS = ("vip", "no-nurture", "علاقه‌مند")
MAILS = ("ebook/one", "ebook/two", "cart/forgot")
OWN_MAILS = frozenset({"ebook/one"})
LINKS = ("download", "price")
TOPICS = ("herbs", "pricing")
EVENTS = ("demo_requested", "cart_updated")
PATHS = ("/", "/pricing", "/pricing/gold", "/blog/سبزی")
PATTERNS = ("*", "/pricing*", "/pricing", "/blog/سب*", "/*")
PRODUCTS = ("basket", "نعنا")
CITIES = ("تهران", "شیراز", "یزد", "Tehran", "Zürich", "Zu\u0308rich", "", "علي", "علی", "a", "Z", "~", "\U00010348")
SPANS = ("1m", "7m", "90m", "3h", "1d", "36h", "2d")
SPAN_VALUES: tuple[Span, ...] = (MINUTE, 7 * MINUTE, 90 * MINUTE, 3 * HOUR, DAY, 36 * HOUR, 2 * DAY)
HALF_LIVES: tuple[Span, ...] = (HOUR, 6 * HOUR, DAY, 30 * DAY)
RUN = RunKey("ebook-welcome", "k1")
OTHER_RUN = RunKey("ebook-welcome", "k2")


def condition(source: str) -> Condition:
    """A condition that is known to be right."""
    parsed = parse(source)
    assert isinstance(parsed, Condition), (source, parsed)
    return parsed


# ── Conditions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _texts(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices).map(quoted)


def _options(*options: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Some of the options, joined by commas; an empty text stands for one that is left out."""
    return st.tuples(*(st.one_of(st.just(""), option) for option in options)).map(
        lambda chosen: ", ".join(each for each in chosen if each)
    )


def _called(function: str, *arguments: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*arguments).map(lambda given: f"{function}({', '.join(each for each in given if each)})")


_SPAN = _texts(*SPANS)
_TIMES = st.integers(1, 3).map("times={}".format)
_SINCE = st.one_of(st.just(""), st.just("ever=True"), _SPAN.map("within={}".format))
_WINDOW = st.one_of(st.just(""), _SPAN.map("within={}".format))
_OPS = st.sampled_from(("==", "!=", "<", "<=", ">", ">="))
_NUMBERS = st.one_of(st.integers(-3, 40), st.sampled_from((0.5, 2.5, 19.99))).map(str)


def _mail_leaves(since: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    mail = _texts(*MAILS)
    some_mail = st.one_of(st.just(""), mail)
    link = _texts(*LINKS).map("link={}".format)
    topic = _texts(*TOPICS).map("topic={}".format)
    return st.one_of(
        _called("received", some_mail, _options(_TIMES), since),
        _called("opened", some_mail, _options(_TIMES), since),
        _called("clicked", mail, _options(link, topic, _TIMES), since),
        _called("clicked", _options(topic, _TIMES), since),
        _called("replied", some_mail, since),
    )


def fact_leaves(since: st.SearchStrategy[str] = _SINCE, same: bool = False) -> st.SearchStrategy[str]:
    """Functions that count facts."""
    key = st.just("same='order_id'") if same else st.just("")
    return st.one_of(
        _mail_leaves(since),
        _called("visited", _texts(*PATTERNS), _options(_TIMES), since),
        _called("did", _texts(*EVENTS), _options(_TIMES, key), since),
        _called("bought", _options(_texts(*PRODUCTS).map("product={}".format), _TIMES, key), since),
    )


def _score_leaf() -> st.SearchStrategy[str]:
    order = st.sampled_from(("<", "<=", ">", ">="))
    return st.tuples(order, _NUMBERS).map(lambda each: f"score {each[0]} {each[1]}")


def _word_leaf(name: str, words: tuple[str, ...]) -> st.SearchStrategy[str]:
    word = _texts(*words)
    several = st.lists(word, min_size=1, max_size=3).map(lambda each: f"[{', '.join(each)}]")
    return st.one_of(
        st.tuples(st.sampled_from(("==", "!=")), word).map(lambda each: f"{name} {each[0]} {each[1]}"),
        st.tuples(st.sampled_from(("in", "not in")), several).map(lambda each: f"{name} {each[0]} {each[1]}"),
    )


def person_leaves() -> st.SearchStrategy[str]:
    """Questions about the person herself; some of the values are missing in people made by `people`."""
    city = _texts(*CITIES)
    number = st.tuples(_OPS, _NUMBERS)
    return st.one_of(
        st.sampled_from(("confirmed", "referred", "attribute('vip')", "known('city')", "known('country')")),
        _word_leaf("locale", ("fa", "en")),
        _word_leaf("country", ("IR", "DE")),
        number.map(lambda each: f"orders {each[0]} {each[1]}"),
        number.map(lambda each: f"fit {each[0]} {each[1]}"),
        number.map(lambda each: f"attribute('visits') {each[0]} {each[1]}"),
        st.tuples(_OPS, city).map(lambda each: f"attribute('city') {each[0]} {each[1]}"),
        _word_leaf("attribute('budget')", ("low", "high")),
        _texts("herbs", "نعنا").map("{} in attribute('interests')".format),
        _called("tagged", _texts(*TAGS)),
        st.sampled_from(("10%", "50%")).map(lambda share: f"chance('{share}', 'trial')"),
    )


def time_leaves() -> st.SearchStrategy[str]:
    """Questions that time alone can answer differently, without facts that are counted."""
    return st.one_of(
        _score_leaf(),
        _called("idle_for", _SPAN),
        _called("in_stage_for", _SPAN),
        _called("overdue", st.sampled_from(("0.5", "1.5", "2")), _SPAN.map("least={}".format)),
    )


def rule_leaves() -> st.SearchStrategy[str]:
    """Questions whose answer is decided by other rules of the site."""
    return st.one_of(
        _word_leaf("stage", STAGES),
        _word_leaf("kind", KINDS),
        _called("in_segment", _texts(*SEGMENTS)),
    )


def run_leaves() -> st.SearchStrategy[str]:
    """Questions that make sense only within a run, and answers, which count since it began."""
    number = st.tuples(_OPS, _NUMBERS)
    return st.one_of(
        number.map(lambda each: f"event('total') {each[0]} {each[1]}"),
        st.tuples(number, _SINCE).map(lambda each: f"{answer_call(each[1])} {each[0][0]} {each[0][1]}"),
        _SINCE.map(lambda since: f"known({answer_call(since)})"),
        fact_leaves(same=True),
    )


def answer_call(since: str) -> str:
    return f"answer('nps', {since})" if since else "answer('nps')"


def joined(leaves: st.SearchStrategy[str], size: int = 5) -> st.SearchStrategy[str]:
    """Leaves joined by `and`, `or` and `not`."""

    def longer(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            inner.map("not ({})".format),
            st.tuples(inner, st.sampled_from(("and", "or")), inner).map(
                lambda each: f"({each[0]}) {each[1]} ({each[2]})"
            ),
        )

    return st.recursive(leaves, longer, max_leaves=size)


def held_leaves() -> st.SearchStrategy[str]:
    inside = joined(st.one_of(fact_leaves(_WINDOW), time_leaves(), person_leaves()), size=2)
    return st.tuples(_SPAN, inside).map(lambda each: f"held_for({each[0]}, {each[1]})")


def database_sources() -> st.SearchStrategy[str]:
    """Conditions that may be asked of the whole list at once: no run, no stage or kind of the moment's making."""
    return joined(st.one_of(person_leaves(), fact_leaves(_WINDOW), time_leaves(), rule_leaves()))


def run_sources() -> st.SearchStrategy[str]:
    """Conditions as they stand in goals, `while` and steps."""
    return joined(st.one_of(person_leaves(), fact_leaves(), time_leaves(), rule_leaves(), run_leaves()))


@st.composite
def conditions(draw: st.DrawFn, sources: st.SearchStrategy[str]) -> Condition:
    return condition(draw(sources))


# ── People ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def moments(before: Instant = NOW, reach: Span = 3 * DAY) -> st.SearchStrategy[Instant]:
    """Instants up to `before`, many of them just where a window of one of the spans begins or ends."""
    edge = st.tuples(st.sampled_from(SPAN_VALUES), st.sampled_from((-1, 0, 1))).map(lambda e: before - e[0] - e[1])
    return st.one_of(edge, st.integers(before - reach, before), st.integers(0, reach // MINUTE).map(_minutes(before)))


@dataclass(frozen=True, slots=True)
class _minutes:
    before: Instant

    def __call__(self, count: int) -> Instant:
        return self.before - count * MINUTE


def attributes() -> st.SearchStrategy[Fields]:
    values: dict[str, st.SearchStrategy[Value]] = {
        "city": st.sampled_from(CITIES),
        "budget": st.sampled_from(("low", "high")),
        "visits": st.one_of(st.integers(-3, 40), st.sampled_from((0.5, 2.5, 19.99))),
        "vip": st.booleans(),
        "interests": st.lists(st.sampled_from(("herbs", "نعنا", "bread")), max_size=2).map(tuple),
    }
    return st.fixed_dictionaries({}, optional=values).map(lambda found: MappingProxyType(dict(found)))


@st.composite
def people(draw: st.DrawFn) -> Subscriber:
    """One person, first seen a few days before NOW."""
    created = NOW - draw(st.integers(3 * DAY, 9 * DAY))
    stage = draw(st.sampled_from(STAGES))
    return Subscriber(
        id=draw(st.integers(1, 10**6)),
        public_id=draw(st.binary(min_size=16, max_size=16)),
        stage=stage,
        stage_since=draw(moments()),
        furthest_stage=stage,
        created_at=created,
        locale=draw(st.sampled_from(("", "fa", "en"))),
        country=draw(st.sampled_from(("", "IR", "DE"))),
        kind=draw(st.sampled_from(KINDS)),
        weight=draw(st.one_of(st.just(0.0), st.floats(-8, 64), st.sampled_from((2.5, 20.0, 32.0)))),
        landmark=NOW + draw(st.sampled_from((0, -DAY, DAY, -9 * DAY))),
        fit=draw(st.integers(-3, 40)),
        orders=draw(st.integers(0, 3)),
        is_referred=draw(st.booleans()),
        confirmed_at=draw(st.sampled_from((None, created))),
        last_signal_at=draw(st.one_of(st.none(), moments())),
        attributes=draw(attributes()),
        tags=draw(st.frozensets(st.sampled_from(TAGS))),
        segments=draw(st.dictionaries(st.sampled_from(SEGMENTS), moments())),
    )


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    """One fact of the last days, by a human or not, of this run, another, or none."""
    kind = draw(st.sampled_from(_KINDS_OF_FACT))
    return Fact(
        id=draw(st.binary(min_size=2, max_size=2)),
        kind=kind,
        at=draw(moments()),
        name=draw(st.sampled_from(_NAMES.get(kind, ("",)))),
        link=draw(st.sampled_from(("", *LINKS))),
        topic=draw(st.sampled_from(("", *TOPICS))),
        path=draw(st.sampled_from(PATHS)) if kind is FactKind.VISITED else "",
        run=draw(st.sampled_from((None, RUN, OTHER_RUN))),
        value=draw(st.integers(0, 9)),
        products=draw(st.sampled_from(((), ("basket",), ("نعنا", "basket")))),
        fields=MappingProxyType(draw(st.sampled_from(({}, {"order_id": "k1"}, {"order_id": "k2", "answer": 9})))),
        is_human=draw(st.booleans()),
    )


_KINDS_OF_FACT = (
    FactKind.RECEIVED,
    FactKind.OPENED,
    FactKind.CLICKED,
    FactKind.REPLIED,
    FactKind.VISITED,
    FactKind.EVENT,
    FactKind.ORDERED,
    FactKind.ANSWERED,
)
_NAMES = {
    FactKind.RECEIVED: MAILS,
    FactKind.OPENED: MAILS,
    FactKind.CLICKED: MAILS,
    FactKind.REPLIED: MAILS,
    FactKind.EVENT: EVENTS,
    FactKind.ANSWERED: ("nps",),
}


def fact_lists(most: int = 8) -> st.SearchStrategy[list[Fact]]:
    """Facts with distinct ids, as a log takes them."""
    return st.lists(facts(), max_size=most, unique_by=lambda fact: fact.id)


def scopes() -> st.SearchStrategy[Scope]:
    began = moments().map(
        lambda at: Scope(since=at, run=RUN, own_mails=OWN_MAILS, event=MappingProxyType({"total": 20}))
    )
    return st.one_of(st.just(EVER), began)


def rules() -> st.SearchStrategy[Rules]:
    """No kinds and segments: `ruled` adds them."""
    return st.sampled_from(HALF_LIVES).map(
        lambda span: Rules(stages=STAGES, half_life=span, order_gap=DAY, secret=b"a secret of the tests")
    )


def ruled() -> st.SearchStrategy[Rules]:
    """Rules with kinds, segments and rungs, some of which lean on each other."""
    lapsing = st.one_of(
        time_leaves(),
        _called("visited", st.just("'*'"), _SPAN.map("within={}".format)),
        _called("clicked", _SPAN.map("within={}".format)),
        _called("received", _SPAN.map("within={}".format)),
    )
    rule = conditions(
        st.one_of(lapsing, rule_leaves(), held_leaves(), joined(st.one_of(lapsing, rule_leaves()), size=2))
    )
    return st.tuples(rules(), rule, rule, rule, rule, rule, rule).map(
        lambda each: replace(
            each[0],
            kinds=(("ready", each[1]), ("searcher", each[2])),
            segments=MappingProxyType({"big": each[3], "keen": each[4]}),
            rises=MappingProxyType({"prospect": each[5]}),
            falls=MappingProxyType({"prospect": each[6]}),
        )
    )


@st.composite
def views(draw: st.DrawFn, with_rules: bool = False) -> View:
    """A person, what happened to her, and a scope; `with_rules` adds kinds, segments and rungs."""
    site = draw(_RULED if with_rules else _RULES)
    return View(draw(people()), FactLog(draw(_FACTS)), NOW, site, draw(_SCOPES))


_RULES, _RULED, _SCOPES, _FACTS = rules(), ruled(), scopes(), fact_lists()


# ── A slow and plain second opinion ──────────────────────────────────────────────────────────────────────────────────


def edges(view: View, horizon: Instant) -> tuple[Instant, ...]:
    """Instants up to the horizon at which windows may open or close, and those right before and after."""
    starts = [fact.at for fact in view.facts]
    person = view.subscriber
    starts += [view.now, person.stage_since, person.created_at, person.last_signal_at or 0, *person.timers.values()]
    sharp = {start + span + off for start in starts for span in SPAN_VALUES for off in (-1, 0, 1)}
    return tuple(sorted(instant for instant in sharp if view.now < instant <= horizon))


def later(view: View, instant: Instant) -> View:
    """The same person at another instant, nothing new having happened."""
    return replace(view, now=instant)


def asked_again(view: View, watched: Condition) -> View:
    """One look of a site that looks at everything all the time: timers, segments, kind, stage, one after the other."""
    person = view.subscriber
    person = replace(person, timers=_looked_at_timers(view, watched))
    view = replace(view, subscriber=person)
    members = {
        key: person.segments.get(key, view.now) for key, rule in view.rules.segments.items() if _holds(rule, view)
    }
    kind = next((key for key, rule in view.rules.kinds if _holds(rule, view)), "none")
    stage = _stage(view)
    since = person.stage_since if stage == person.stage else view.now
    return replace(view, subscriber=replace(person, segments=members, kind=kind, stage=stage, stage_since=since))


def all_conditions(view: View, watched: Condition) -> Iterator[Condition]:
    yield watched
    yield from (rule for _, rule in view.rules.kinds)
    for table in (view.rules.segments, view.rules.rises, view.rules.falls):
        yield from table.values()


def _looked_at_timers(view: View, watched: Condition) -> dict[str, Instant]:
    looks: dict[str, Instant] = {}
    for each in all_conditions(view, watched):
        for node in walk(each.tree):
            if isinstance(node, HeldFor):
                inside = replace(each, tree=node.part, digest=node.digest)
                if evaluate(inside, replace(view, scope=EVER)) is True:
                    looks[node.digest] = view.subscriber.timers.get(node.digest, view.now)
    return looks


def _holds(rule: Condition, view: View) -> bool:
    return evaluate(rule, replace(view, scope=EVER)) is True


def _stage(view: View) -> str:
    person, rules = view.subscriber, view.rules
    for stage in reversed(STAGES[STAGES.index(person.stage) + 1 :]):
        if stage in rules.rises and _holds(rules.rises[stage], view):
            return stage
    fall = rules.falls.get(person.stage)
    return STAGES[STAGES.index(person.stage) - 1] if fall and _holds(fall, view) else person.stage
