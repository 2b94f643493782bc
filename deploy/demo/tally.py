"""The account at the end: what the devices count against what the observer counts. No I/O.

A *number* is (device, the device's own number of a publish). An *identity* is (edge, epoch, seq),
the gateway's name of a record. Two records under one identity are the gateway's repeat; one number
under two identities is what the device sent again, and a fault where the device did not.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    sent: int
    acknowledged: int
    delivered: int
    lost: int
    duplicates: int
    sent_again: int
    renamed: int  # arrived under a second identity though its device sent it once
    altered: int  # arrived with another topic or other bytes than were sent
    unknown: int  # arrived but never sent
    out_of_order: int  # first arrivals below an earlier one of the same device

    def line(self):
        return (
            f"sent {self.sent}  acknowledged {self.acknowledged}  delivered {self.delivered}  "
            f"lost {self.lost}  duplicates {self.duplicates}  "
            f"(sent again by devices {self.sent_again})"
        )

    def failures(self):
        reasons = {
            f"{self.lost} acknowledged values never arrived": self.lost,
            f"{self.duplicates} records arrived twice": self.duplicates,
            f"{self.renamed} values came again, but not from their device": self.renamed,
            f"{self.altered} values arrived altered": self.altered,
            f"{self.unknown} values arrived that no device sent": self.unknown,
            f"{self.out_of_order} values arrived before an older one": self.out_of_order,
            "fewer values were delivered than acknowledged": self.delivered < self.acknowledged,
            "no device sent anything": self.sent == 0,
        }
        return [reason for reason, is_so in reasons.items() if is_so]


def count(sent, acknowledged, maybe_sent_again, arrivals):
    """`sent`: number -> fingerprint; `acknowledged` and `maybe_sent_again`: numbers; `arrivals`: in
    order of arrival, each with .number, .identity and .fingerprint."""
    identities, delivered, newest = set(), set(), {}
    duplicates = sent_again = renamed = altered = unknown = out_of_order = 0
    for arrival in arrivals:
        if arrival.identity in identities:
            duplicates += 1
            continue
        identities.add(arrival.identity)
        if arrival.number not in sent:
            unknown += 1
            continue
        altered += arrival.fingerprint != sent[arrival.number]
        if arrival.number in delivered:
            sent_again += arrival.number in maybe_sent_again
            renamed += arrival.number not in maybe_sent_again
            continue
        delivered.add(arrival.number)
        device, own_number = arrival.number
        out_of_order += own_number < newest.get(device, 0)
        newest[device] = max(own_number, newest.get(device, 0))
    return Tally(
        sent=len(sent),
        acknowledged=len(acknowledged),
        delivered=len(delivered),
        lost=len(acknowledged - delivered),
        duplicates=duplicates,
        sent_again=sent_again,
        renamed=renamed,
        altered=altered,
        unknown=unknown,
        out_of_order=out_of_order,
    )
