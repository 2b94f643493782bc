@0x8e9e65bfaca49a73;
# The tunnel's frames and the spool's batches. One Frame is one WebSocket binary message.
# How it may evolve: fields are only added, at the end, with a default that means "as before"; a field
# is never re-used; a change of meaning is a new kind. Kinds >= 128 are ignored by who does not know
# them, kinds below are refused by name.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("sallyport::schema");

struct Frame {
  session @0 :UInt64;   # 0: about the link itself
  kind    @1 :UInt8;    # tunnel::FrameKind
  body    @2 :Data;     # a message of the kind's struct, unpacked, one segment
  seal    @3 :Data;     # empty for now: room for an end-to-end authentication tag
}

# --- link: agent <-> relay -------------------------------------------------------------------------

struct Hello {          # agent -> relay, first frame
  version @0 :UInt16;   # of the tunnel protocol
  process @1 :UInt64;   # random, drawn when the process starts
  name    @2 :Text;     # "<plant>/<name>", must agree with the certificate
}

struct Welcome {        # relay -> agent, answer to Hello
  version       @0 :UInt16;
  frameBytesMax @1 :UInt32;
  sessionsMax   @2 :UInt32;
  process       @3 :UInt64;
}

struct Opened {         # relay -> both ends: a route has both ends up
  session @0 :UInt64;
  peer    @1 :Text;     # "<plant>/<name>" of the other end
  topics  @2 :List(Text);   # what the route lets pass
}

struct Closed {         # either way
  session @0 :UInt64;
  reason  @1 :UInt8;    # tunnel::SessionEnd
}

struct Ping { count @0 :UInt64; }

struct Bye {
  reason       @0 :UInt8;    # tunnel::ByeReason
  retryAfterMs @1 :UInt32;
}

# --- session: edge <-> it-agent --------------------------------------------------------------------

struct Log {            # edge -> it, opens the session
  epochs @0 :List(Run);
  struct Run {
    epoch @0 :UInt64;
    first @1 :UInt64;   # seq of the run's first record in the log
    last  @2 :UInt64;   # of its last; less than first: nothing yet
  }
}

# The three that travel toward OT hold numbers only; the relay checks their exact size.
struct Resume {         # it -> edge
  store    @0 :UInt64;  # random, drawn when the it-agent's store was made
  epoch    @1 :UInt64;  # 0: no position in any run of the log
  position @2 :UInt64;
  checksum @3 :UInt64;  # of the entry that ends at position
  credit   @4 :UInt64;
}

struct Ack {            # it -> edge
  epoch    @0 :UInt64;
  position @1 :UInt64;
  checksum @2 :UInt64;
  credit   @3 :UInt64;  # bytes from session start up to which the edge may send
  refused  @4 :UInt64;  # records of this session that the sink refused for good
}

struct Beat {           # edge -> it
  tail     @0 :UInt64;  # newest synced seq
  clockNs  @1 :Int64;   # the edge's UTC
  behindNs @2 :Int64;   # age of the oldest record not yet sent in this session
  spooledRecords @3 :UInt64;   # not yet acknowledged
  count    @4 :UInt64;
  echo     @5 :UInt64;  # of the newest Echo that came; 0: none, the Resume
  sinceEchoNs @6 :Int64;       # how long ago it came
}

struct Echo {           # it -> edge
  count   @0 :UInt64;
  clockNs @1 :Int64;    # as in the Beat
}

struct Gap {            # edge -> it: these seqs will not come
  epoch @0 :UInt64;
  from  @1 :UInt64;
  to    @2 :UInt64;
  why   @3 :UInt8;      # tunnel::GapReason
}

struct Define {         # edge -> it: before the first record of a tag in a session
  tags @0 :List(Tag);
  struct Tag {
    id    @0 :UInt32;
    topic @1 :Text;
  }
}

struct Batch {          # edge -> it; also the sent part of a spool entry
  epoch   @0 :UInt64;
  first   @1 :UInt64;   # the entry covers first..last whether or not all are in it
  last    @2 :UInt64;
  records @3 :List(Record);
  whole   @4 :UInt64;   # where records were left out: the checksum of the entry with all of them
  absent  @5 :List(Absent);   # which those are; rising, without overlap
  struct Absent {       # consecutive seqs, left out for one reason
    first   @0 :UInt16; # seq - Batch.first
    last    @1 :UInt16;
    why     @2 :UInt8;  # tunnel::AbsentReason
    sinceNs @3 :Int64;  # arrival of the oldest of them, UTC
  }
}

struct Record {
  offset      @0 :UInt16;   # seq - Batch.first
  flags       @1 :UInt16;   # record::Flag
  tag         @2 :UInt32;
  quality     @3 :UInt16;   # OPC Classic, QQSSSSLL
  sourceNs    @4 :Int64;    # UTC
  arrivalNs   @5 :Int64;    # UTC
  value       @6 :Data;
  properties  @7 :Data;     # MQTT 5 publish properties as on the wire
  tags        @8 :List(UInt32);   # a change of quality of many tags at once: the others
}
