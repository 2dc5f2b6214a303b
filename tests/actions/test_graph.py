"""A campaign is drawn step by step, with the people there and the colours of a change."""

from __future__ import annotations

from xml.etree import ElementTree

from app.actions.graph import NoSuchCampaign, mermaid, of_files, of_live, svg
from app.core.difference import Sign
from app.core.drawing import Drawing
from tests.actions.small_site import WELCOME, people_on, play, site_with


def drawn(drawing: Drawing | NoSuchCampaign) -> Drawing:
    assert isinstance(drawing, Drawing)
    return drawing


def test_every_step_is_a_node_and_branches_meet_again() -> None:
    drawing = drawn(of_files(site_with(WELCOME), "welcome"))
    ids = [node.id for node in drawing.nodes]
    assert ids[:5] == ["enter", "sequence lead", "a", "before b", "b"]
    assert {(edge.target, edge.label) for edge in drawing.edges if edge.source == "before c"} == {
        ("c", "then"),
        ("d", "else"),
    }


def test_people_are_counted_where_they_stand() -> None:
    stage = play(site_with(WELCOME))
    people_on(stage)
    drawing = drawn(of_live(stage.world, stage.shelf, "welcome"))
    assert {node.id: node.people for node in drawing.nodes if node.people} == {"before b": 1}
    assert "wait 2 days, 09:30 · 1" in mermaid(drawing)
    stage.world.database.dispose()


def test_a_change_is_coloured() -> None:
    stage = play(site_with(WELCOME))
    files = site_with(WELCOME.replace("{days: 2,", "{days: 1,").replace("    - send: a\n", "    - send: e\n"))
    drawing = drawn(of_live(stage.world, stage.shelf, "welcome", files))
    signs = {node.id: node.sign for node in drawing.nodes if node.sign}
    assert signs == {"e": Sign.ADDED, "before b": Sign.CHANGED, "gone a": Sign.REMOVED}
    assert ":::changed" in mermaid(drawing)
    stage.world.database.dispose()


def test_the_svg_is_whole_and_escapes_what_files_say() -> None:
    text = svg(drawn(of_files(site_with(WELCOME.replace("bought()", "orders < 3 and score > 100")), "welcome")))
    root = ElementTree.fromstring(text)
    boxes = [each for each in root.iter() if each.tag.endswith("rect")]
    assert len(boxes) == 9


def test_a_campaign_nobody_knows_is_said_with_those_there_are() -> None:
    answer = of_files(site_with(WELCOME), "welcom")
    assert isinstance(answer, NoSuchCampaign)
    assert answer.known == ("welcome",)
