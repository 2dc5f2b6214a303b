"""The words by which servers say what is wrong: one pattern per line, matched against lower-case text with single
spaces.

Owns the vocabulary of `replies`. Every gap in a pattern is bounded, so that no text can make matching slow.
Must not decide anything.
"""

from __future__ import annotations

import re
from typing import Final


def any_of(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives))


BLOCK_WORDS: Final = any_of(
    r"black ?-?list",
    r"block ?-?list",
    r"\bdeny ?list",
    r"\bblock(?:ed|ing)?\b",
    r"\brbls?\b",
    r"dnsbl",
    r"spamhaus",
    r"\bsorbs\b",
    r"spamcop",
    r"barracuda",
    r"uceprotect",
    r"invaluement",
    r"senderscore",
    r"cloudmark",
    r"\blisted (?:at|on|in|by)\b",
    r"reputation",
    r"\bspam",
    r"unsolicited",
    r"\bjunk\b",
    r"bulk e?-?mail",
    r"virus",
    r"malware",
    r"phish",
    r"suspicious",
    r"\bpolicy\b",
    r"policies",
    r"\bdmarc\b",
    r"\bdkim\b",
    r"\bspf\b",
    r"sender policy framework",
    r"unauthenticated",
    r"not authenticated",
    r"authentication (?:check|fail|result|level|is req|req)",
    r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not (?:allowed|permitted))",
    r"(?:unable|not permitted|not allowed) to relay",
    r"relaying prohibited",
    r"reverse dns",
    r"\bptr\b",
    r"\brdns\b",
    r"\bhelo\b",
    r"\behlo\b",
    r"\bbanned\b",
    r"access denied",
    r"sender verif(?:y|ication)",
    r"administrative prohibition",
    r"\brcpthosts\b",
    r"(?:refused|rejected|denied) by (?:\S+ ){0,4}filter",
    r"content (?:rejected|denied|filter|not accepted)",
    r"message (?:content )?(?:was |has been )?(?:rejected|refused|filtered)",
    r"sender (?:address )?(?:is |was |has been )?(?:rejected|denied|refused|not (?:allowed|accepted))",
    r"(?:requires?|must issue a?) (?:encryption|starttls|tls)",
    r"starttls (?:command )?(?:first|is required)",
    r"secureserver",
    r"poor (?:domain|ip)",
    r"s31[45]0",
    r"not (?:accepting|accepted) (?:mail|connections?) from",
    r"(?:ip|host|network|client|server) (?:\S{1,60} )?(?:is |was |has been )?(?:rejected|refused|denied)",
)
RECIPIENT_BLOCKED: Final = any_of(
    r"(?:account|mailbox|user|recipient)(?:'s)? (?:account |mailbox )?(?:is |was |has been )?(?:temporarily )?blocked\b"
)
EXPIRED_WORDS: Final = any_of(
    r"(?:message|delivery|delivery time) expired",
    r"retry time(?:out)? (?:exceeded|not reached)",
    r"(?:has|have) been failing for a long time",
    r"(?:in the queue|waiting) too long",
    r"connection (?:reset|refused|dropped|timed out)",
)
QUOTA_WORDS: Final = any_of(
    r"over ?-?(?:the )?quota",
    r"quota (?:is |was |has been )?(?:exceeded|full|reached)",
    r"exceed(?:s|ed|ing)? (?:\S+ ){0,4}(?:quota|storage|mailbox size|disk)",
    r"mail ?box (?:\S{1,80} )?(?:is |was )?(?:almost )?full",
    r"(?:in|mail)box (?:size |storage )?limit",
    r"mailfolder is full",
    r"account is full",
    r"storage (?:limit|quota|space|allocation)",
    r"out of (?:storage|space|disk)",
    r"insufficient (?:system |disk )?(?:storage|space)",
    r"not enough (?:storage|space|disk)",
    r"disk (?:is )?full",
    r"disk quota",
    r"user has too many messages",
)
GREYLIST_WORDS: Final = any_of(r"gr[ea]y ?-?list", r"postgrey", r"try again in \d+ (?:s|m)")
THROTTLE_WORDS: Final = any_of(
    r"rate ?-?limit",
    r"rate-?limited",
    r"throttl",
    r"too many (?:connections|messages|mails?|concurrent|sessions|invalid|emails?|errors)",
    r"unusual(?:ly high)? rate",
    r"(?:sending|receiving) (?:\S+ ){0,3}(?:too )?(?:quickly|fast|rate)",
    r"connection (?:limit|rate)",
    r"concurren(?:t|cy)",
    r"\btss0\d",
    r"temporarily deferred",
    r"server (?:is )?(?:too )?busy",
    r"too busy",
    r"frequency limit",
    r"excessive (?:volume|connections|number)",
    r"exceeded .{0,40}(?:rate|per hour|per minute|hourly)",
)
RECIPIENT_RATE: Final = any_of(
    r"(?:user|recipient|account|mailbox|you are trying to contact) .{0,60}(?:rate|quickly)", r"too many recipients"
)
UNKNOWN_WORDS: Final = any_of(
    r"user (?:\S{1,80} )?(?:is )?(?:unknown|not (?:found|known))",
    r"unknown (?:or illegal )?(?:user|recipient|address|account|mailbox|alias|local[ -]?part)",
    r"no such (?:user|recipient|mail ?box|account|address|person|customer|local|domain|host|e?-?mail)",
    r"no (?:mail ?box|account|user|recipient)s? (?:here|by that|with that|found|exists?|named|of that)",
    r"(?:mail ?box|account|address|recipient|user|domain|host(?:name)?|alias|inbox|e-?mail)(?: \S{1,120})?"
    r" (?:was |could |is |can )?(?:not (?:be )?(?:found|exist|valid|known)|cannot be found|unknown)\b",
    r"does(?:n't| not)(?: actually)? (?:exist|have an? \S{1,60} (?:account|mailbox))",
    r"do(?:n't| not) exist",
    r"non-?existent",
    r"not exist\b",
    r"unrouteable (?:mail )?(?:address|domain)",
    r"invalid (?:recipient|mail ?box|user(?:name)?|account|alias|local)",
    r"(?:recipient|address|user|mail ?box) (?:is )?invalid",
    r"not (?:a|our) (?:valid |known )?(?:recipient|customer|mail ?box|user|account|local user)",
    r"no longer (?:available|active|valid|in use|exists?|on (?:this )?server|employed|with|accepts? (?:mail|messages))",
    r"(?:account|mail ?box|user|recipient|address|e-?mail)(?: \S{1,80}){0,6} (?:is |was |has been |have been )?"
    r"(?:currently )?(?:disabled|inactive|not active|de-?activated|closed|terminated|suspended|deleted|expired"
    r"|removed|retired|abandoned)",
    r"(?:disabled|inactive|discontinued|deactivated|closed) (?:user|account|mail ?box|recipient|address|e-?mail)",
    r"recipnotfound",
    r"recipientnotfound",
    r"unknown_?user",
    r"address(?:es)? (?:unknown|no longer)",
    r"recipient (?:unknown|no longer)",
    r"name or service not known",
    r"host (?:or domain name )?not found",
    r"domain name not found",
    r"\bnxdomain\b",
    r"domain (?:\S{1,120} )?(?:does not|doesn't) (?:exist|accept mail)",
    r"null mx",
    r"bad destination (?:mailbox|address|email)",
    r"delivery to non-?existing",
    r"person at this address",
    r"mail ?box (?:name )?(?:is )?unavailable",
    r"has moved\b",
    r"\buser not local\b",
    r"address rejected: (?:undeliverable|user)",
)
NO_SUCH_AT_MICROSOFT: Final = any_of(
    r"recipient address rejected: access denied", r"dbeb\b", r"directory[- ]based edge"
)
SIZE_WORDS: Final = any_of(
    r"message (?:size|length|is too|too) (?:\S+ ){0,4}(?:exceed|large|big|limit)",
    r"size (?:\S+ ){0,4}exceed",
    r"message too (?:big|large)",
    r"exceeds? (?:\S+ ){0,4}(?:message size|maximum size|size limit)",
)


LOGIN_WORDS: Final = any_of(
    r"authentication (?:is )?required",
    r"smtp auth(?:entication)? (?:is )?required",
    r"(?:must|please) (?:first )?(?:log ?in|authenticate|login)",
    r"account (?:is )?(?:\S+ )?not (?:yet )?(?:allowed|activated|verified) (?:to send|for sending)",
    r"email address is not verified",
    r"sending (?:is |has been )?(?:paused|suspended|disabled)",
)
