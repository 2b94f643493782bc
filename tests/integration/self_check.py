"""The account itself: each fault that it must find, seeded."""

import struct
from types import SimpleNamespace

import account
from claims import claim, same
from mqtt_client import PROPERTY_FORMS, USER_PROPERTY, V5, Message, text, user_properties, varint


def message(number, seq=None, payload=None, topic=None, epoch="e"):
    seq = number + 1 if seq is None else seq
    told = (("edge", "demo/line1"), ("epoch", epoch), ("seq", str(seq)))
    properties = b"".join(bytes([USER_PROPERTY]) + text(name) + text(value) for name, value in told)
    body = (text(topic or account.topic_of(number)) + varint(len(properties)) + properties
            + (account.payload_of(number) if payload is None else payload))
    return Message(0, body, V5)


def finds(messages, sent=10, acknowledged=range(10), sent_again=()):
    """What the account says of these messages; nothing where all is well."""
    publisher = SimpleNamespace(sent=sent, acknowledged=list(acknowledged),
                                sent_again=list(sent_again))
    try:
        account.check(SimpleNamespace(measured=lambda _: None), publisher, messages)
    except AssertionError as error:
        return str(error)
    return None


@claim("the account finds what is lost, repeated, reordered, altered or made up", beside=True)
def account_finds(run):
    all_ten = [message(number) for number in range(10)]
    same("nothing wrong", None, finds(all_ten))
    resent = all_ten + [message(9, seq=11)]
    same("a repeat that the device sent again", None, finds(resent, sent_again=[9]))
    same("an unacknowledged one that did not arrive", None,
         finds(all_ten[:9], acknowledged=range(9)))
    faults = {
        "lost": (finds(all_ten[:4] + all_ten[5:]), "1 acknowledged messages lost, the first: [4]"),
        "repeated": (finds(resent), "sent them once"),
        "under one identity": (finds(all_ten + all_ten[9:], sent_again=[9]), "under one identity"),
        "reordered": (finds(all_ten[:4] + [all_ten[5], all_ten[4]] + all_ten[6:]),
                      "first arrives behind"),
        "altered": (finds(all_ten[:9] + [message(9, payload=b"9:")]), "bytes of message 9"),
        "on another topic": (finds(all_ten[:9] + [message(9, topic="x")]), "topic of message 9"),
        "made up": (finds([*all_ten, message(10)]), "nobody sent"),
        "numbered anew": (finds(all_ten[:9] + [message(9, seq=3, epoch="f")]), "arrives behind"),
    }
    for name, (found, words) in faults.items():
        assert found and words in found, f"{name}: the account says {found!r}"
    same("faults", 8, len(faults))


@claim("the small client reads every property a PUBLISH can carry", beside=True)
def properties_are_read(_run):
    pair = bytes([USER_PROPERTY]) + text("name") + text("value")
    others = (b"\x01\x01", b"\x02" + struct.pack("!I", 7), b"\x03" + text("type"),
              b"\x08" + text("topic"), b"\x09" + text(b"\x00\xff"), b"\x0b\x80\x01",
              b"\x23\x00\x05", pair)
    same("kinds", sorted(PROPERTY_FORMS), sorted({other[0] for other in others}))
    same("pairs", [("name", "value")] * 2, user_properties(pair + b"".join(others)))
