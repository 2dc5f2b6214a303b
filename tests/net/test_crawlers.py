"""The list of crawlers, as far as we lean on it."""

import pytest

from app.core.verdicts import AgentClass, classify_agent
from app.net.crawlers import is_crawler


@pytest.mark.parametrize(
    ("agent", "wanted"),
    [
        ("curl/8.5.0", AgentClass.CRAWLER),
        ("python-requests/2.32.3", AgentClass.CRAWLER),
        ("Go-http-client/1.1", AgentClass.CRAWLER),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", AgentClass.CRAWLER),
        (
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            AgentClass.IMAGE_PROXY,
        ),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", AgentClass.IMAGE_PROXY),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", AgentClass.BROWSER),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
            AgentClass.BROWSER,
        ),
    ],
)
def test_the_list_tells_programs_from_browsers(agent: str, wanted: AgentClass) -> None:
    assert classify_agent(agent, is_crawler) is wanted
