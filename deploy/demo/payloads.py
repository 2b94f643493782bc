"""How the simulated devices write a value: as JSON text, or as a packed struct as small controllers
do. Either carries the device's name and the device's own number of that publish, so that what was
sent, acknowledged and delivered can be counted apart from anything the gateway says about itself.
"""

import json
import struct

# Device (four letters), the device's number, how many samples follow; then that many int16.
_HEAD = struct.Struct("<4sIH")


def as_json(device, number, value):
    text = json.dumps({"device": device, "n": number, "value": round(value, 3)})
    return text.encode()


def as_samples(device, number, samples):
    body = struct.pack(f"<{len(samples)}h", *samples)
    return _HEAD.pack(device.encode(), number, len(samples)) + body


def identify(payload):
    """(device, number) of a payload written here. Raises ValueError where it is another's."""
    try:
        if payload[:1] == b"{":
            fields = json.loads(payload)
            return fields["device"], fields["n"]
        device, number, count = _HEAD.unpack_from(payload)
        if len(payload) != _HEAD.size + 2 * count:
            raise ValueError("its length does not fit its head")
        return device.decode("ascii"), number
    except (KeyError, struct.error) as error:
        raise ValueError(f"not a payload of the simulated plant: {error}") from error


def describe(payload):
    """The payload in a few words, for a person."""
    if payload[:1] == b"{":
        return f"{json.loads(payload)['value']}"
    _, _, count = _HEAD.unpack_from(payload)
    first = struct.unpack_from("<3h", payload, _HEAD.size)
    return f"{len(payload)} bytes, {count} samples: {' '.join(map(str, first))} ..."
