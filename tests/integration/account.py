"""What a device counted held against what an application counted, by the device's own numbers."""

from dataclasses import dataclass

from claims import same, wait_for

TOPICS = 8


@dataclass(frozen=True)
class Tally:
    sent: int
    acknowledged: int
    delivered: int
    lost: list      # numbers that were acknowledged and did not arrive
    repeats: int    # arrivals of numbers that had arrived


def topic_of(number):
    return f"plant/flow/{number % TOPICS}"


def payload_of(number):
    return b"%d:" % number + bytes((number + place) % 256 for place in range(number % 40))


def items(count=10**9, retain=False):
    for number in range(count):
        yield topic_of(number), payload_of(number), retain


def number_of(message):
    """The device's number of a message; its topic and bytes must be the ones that were sent."""
    number = int(message.payload.split(b":")[0])
    same(f"topic of message {number}", topic_of(number), message.topic)
    same(f"bytes of message {number}", payload_of(number), message.payload)
    return number


def wait_arrival(publisher, subscriber, timeout_s=120):
    """Until every acknowledged message has arrived; a count would take repeats for some of them."""
    acknowledged = set(publisher.acknowledged)
    wait_for("every acknowledged message arrives", lambda: acknowledged
             <= {number_of(message) for message in list(subscriber.messages)}, timeout_s, 0.2)


def check(run, publisher, messages, may_miss=False, seqs_rise=True):
    """All acknowledged numbers arrived; first arrivals in order; twice only what was sent twice;
    each identity once, and their seqs rise as the arrivals do."""
    numbers = [number_of(message) for message in messages]
    arrived = set(numbers)
    lost = sorted(set(publisher.acknowledged) - arrived)
    assert may_miss or not lost, f"{len(lost)} acknowledged messages lost, the first: {lost[:5]}"
    never_sent = sorted(number for number in arrived if number >= publisher.sent)
    same("numbers that nobody sent", [], never_sent)

    seen, newest = set(), -1
    for number in numbers:
        if number not in seen:
            assert number > newest, f"message {number} first arrives behind {newest}"
            seen.add(number)
            newest = number

    check_identities(messages, seqs_rise)
    repeats = len(numbers) - len(arrived)
    sent_again = set(publisher.sent_again)
    extra = repeated(numbers) - sent_again
    same("numbers that came again though their device sent them once", set(), extra)
    assert repeats <= len(publisher.sent_again), (repeats, len(publisher.sent_again))
    tally = Tally(publisher.sent, len(set(publisher.acknowledged)), len(arrived), lost, repeats)
    run.measured(f"sent {tally.sent}, acknowledged {tally.acknowledged}, "
                 f"delivered {tally.delivered}, {'missed' if may_miss else 'lost'} {len(lost)}, "
                 f"repeats {repeats} (sent again by the device: {len(publisher.sent_again)})")
    return tally


def check_identities(messages, seqs_rise=True):
    identities = [message.identity for message in messages]
    same("records that came twice under one identity", 0, len(identities) - len(set(identities)))
    newest = {}
    for edge, epoch, seq in identities:
        assert not seqs_rise or seq > newest.get(edge, 0), (
            f"seq {seq} of epoch {epoch} arrives behind {newest[edge]} of {edge}")
        newest[edge] = seq


def repeated(numbers):
    seen, again = set(), set()
    for number in numbers:
        (again if number in seen else seen).add(number)
    return again
