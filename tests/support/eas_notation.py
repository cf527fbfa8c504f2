"""Documents of ActiveSync as people note them down, for tables of requests:

    AirSync:Sync{Collections{Collection{SyncKey=0 CollectionId=$inbox Options{AirSyncBase:BodyPreference{Type=1}}}}}

An element without a page is of its parent's. Text stands behind '=': a word, or in quotes what is more than one. $NAME is
a value that is filled in, bytes as OPAQUE.
"""
import re

from eas_wbxml import E

TOKEN = re.compile(r"\s*(?:(?P<page>\w+):)?(?P<tag>\w+)(?:=(?:'(?P<quoted>[^']*)'|\$(?P<name>\w+)|(?P<word>[^\s{}]+)))?(?P<opens>\{)?"
                   r"|\s*(?P<closes>\})")


def tree(text, values=None):
    """The document that the notation says; KeyError for a $NAME that is not among values."""
    values, at, open_elements, root = values or {}, 0, [], None
    text = text.strip()
    while at < len(text):
        token = TOKEN.match(text, at)
        if not token:
            raise ValueError(f"no element: {text[at:at + 40]!r}")
        at = token.end()
        if token["closes"]:
            open_elements.pop()
            continue
        page = token["page"] or open_elements[-1].tag.split(":")[0]
        content = values[token["name"]] if token["name"] else token["quoted"] or token["word"]
        element = E(f"{page}:{token['tag']}", *([content] if content else []))
        if open_elements:
            open_elements[-1].children.append(element)
        elif root:
            raise ValueError(f"two documents: {text!r}")
        root = root or element
        if token["opens"]:
            open_elements.append(element)
    if open_elements or not root:
        raise ValueError(f"the document does not end: {text!r}")
    return root
