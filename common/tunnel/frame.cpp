#include "common/tunnel/frame.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>
#include <xxhash.h>

#include "common/base/assert.hpp"
#include "schemas/tunnel.capnp.h"

namespace sallyport::tunnel {
namespace {

constexpr std::size_t kWord = sizeof(capnp::word);
constexpr std::size_t kNameBytesMax = 127;    // "<plant>/<name>", 63 + 1 + 63
constexpr std::size_t kAlsoTagsMax = 8192;    // further tags of one quality change
constexpr std::size_t kSmallBodyWords = 512;  // first segment of bodies of few fields
constexpr std::size_t kRecordWords = 9;       // struct with its three pointers, and slack
constexpr std::size_t kAbsentWords = 2;
constexpr std::int64_t kClockNsMax = std::int64_t{1} << 62;  // sums stay within 64 bits

/// Flattens a built message: segment table, then segments (the standard stream framing).
base::Bytes flatten(capnp::MessageBuilder& message) {
    const auto segments = message.getSegmentsForOutput();
    const std::size_t table = ((segments.size() + 2) / 2) * kWord;
    std::size_t size = table;
    for (const auto& segment : segments) size += segment.size() * kWord;
    base::Bytes out(size);
    const auto put = [&out](std::size_t index, std::size_t value) {
        const auto word = static_cast<std::uint32_t>(value);
        std::memcpy(out.data() + index * sizeof word, &word, sizeof word);
    };
    put(0, segments.size() - 1);
    std::size_t at = table;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        put(i + 1, segments[i].size());
        const std::size_t bytes = segments[i].size() * kWord;
        std::memcpy(out.data() + at, segments[i].begin(), bytes);
        at += bytes;
    }
    return out;
}

template <class Schema, class Fill>
base::Bytes build(std::size_t words, const Fill& fill) {
    capnp::MallocMessageBuilder message(static_cast<unsigned>(words));
    fill(message.initRoot<Schema>());
    return flatten(message);
}

/// The one place where kj::Exception ends: `read(root)` touches fields lazily and may throw at any.
template <class Schema, class Read>
auto parse(base::ByteView bytes, const Read& read)
    -> std::invoke_result_t<Read, typename Schema::Reader> {
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kWord != 0) return FrameError::misaligned;
    if (bytes.size() > kFrameBytesMax) return FrameError::too_large;
    if (bytes.empty() || bytes.size() % kWord != 0) return FrameError::malformed;
    try {
        const kj::ArrayPtr<const capnp::word> words(
            reinterpret_cast<const capnp::word*>(bytes.data()), bytes.size() / kWord);
        capnp::ReaderOptions options;
        // Each accessor charges what it gives, so a list is fetched once; a message whose pointers
        // overlap to claim more than its bytes ends here.
        options.traversalLimitInWords = words.size() * 2 + 16;
        options.nestingLimit = 8;
        capnp::FlatArrayMessageReader reader(words, options);
        return read(reader.getRoot<Schema>());
    } catch (const kj::Exception&) {
        return FrameError::malformed;
    }
}

std::string text_of(capnp::Text::Reader text) {
    return {text.begin(), text.size()};
}
base::ByteView view_of(capnp::Data::Reader data) {
    return {data.begin(), data.size()};
}
capnp::Data::Reader data_of(base::ByteView bytes) {
    return {bytes.data(), bytes.size()};
}

base::Bytes link_frame(FrameKind kind, base::ByteView body) {
    return encode_frame(SessionId{0}, kind, body);
}

void set_position(schema::Resume::Builder to, const Position& position) {
    to.setEpoch(position.epoch);
    to.setPosition(position.seq);
    to.setChecksum(position.checksum);
}
void set_position(schema::Ack::Builder to, const Position& position) {
    to.setEpoch(position.epoch);
    to.setPosition(position.seq);
    to.setChecksum(position.checksum);
}

template <class E>
bool in_range(std::uint8_t value, E first, E last) {
    return value >= static_cast<std::uint8_t>(first) && value <= static_cast<std::uint8_t>(last);
}

}  // namespace

base::Bytes encode_frame(SessionId session, FrameKind kind, base::ByteView body) {
    SALLYPORT_ASSERT(body.size() + 64 * kWord <= kFrameBytesMax);
    return build<schema::Frame>(body.size() / kWord + 16, [&](schema::Frame::Builder frame) {
        frame.setSession(static_cast<std::uint64_t>(session));
        frame.setKind(static_cast<std::uint8_t>(kind));
        frame.setBody(data_of(body));
    });
}

base::Result<FrameView, FrameError> decode_frame(base::ByteView message) {
    using Answer = base::Result<FrameView, FrameError>;
    return parse<schema::Frame>(message, [](schema::Frame::Reader frame) -> Answer {
        return FrameView{SessionId{frame.getSession()}, frame.getKind(), view_of(frame.getBody())};
    });
}

base::Bytes encode(const Hello& hello) {
    return link_frame(FrameKind::hello,
                      build<schema::Hello>(kSmallBodyWords, [&](schema::Hello::Builder to) {
                          to.setVersion(hello.version);
                          to.setProcess(hello.process);
                          to.setName(hello.name);
                      }));
}
base::Result<Hello, FrameError> decode_hello(base::ByteView body) {
    using Answer = base::Result<Hello, FrameError>;
    return parse<schema::Hello>(body, [](schema::Hello::Reader from) -> Answer {
        const auto name = from.getName();
        if (name.size() > kNameBytesMax) return FrameError::out_of_range;
        return Hello{from.getVersion(), from.getProcess(), text_of(name)};
    });
}

base::Bytes encode(const Welcome& welcome) {
    return link_frame(FrameKind::welcome,
                      build<schema::Welcome>(kSmallBodyWords, [&](schema::Welcome::Builder to) {
                          to.setVersion(welcome.version);
                          to.setFrameBytesMax(welcome.frame_bytes_max);
                          to.setSessionsMax(welcome.sessions_max);
                          to.setProcess(welcome.process);
                      }));
}
base::Result<Welcome, FrameError> decode_welcome(base::ByteView body) {
    using Answer = base::Result<Welcome, FrameError>;
    return parse<schema::Welcome>(body, [](schema::Welcome::Reader from) -> Answer {
        return Welcome{from.getVersion(), from.getFrameBytesMax(), from.getSessionsMax(),
                       from.getProcess()};
    });
}

base::Bytes encode(const Opened& opened) {
    std::size_t words = kSmallBodyWords;
    for (const auto& topic : opened.topics) words += topic.size() / kWord + 3;
    return link_frame(FrameKind::opened,
                      build<schema::Opened>(words, [&](schema::Opened::Builder to) {
                          to.setSession(static_cast<std::uint64_t>(opened.session));
                          to.setPeer(opened.peer);
                          auto topics = to.initTopics(static_cast<unsigned>(opened.topics.size()));
                          for (unsigned i = 0; i < topics.size(); ++i)
                              topics.set(i, opened.topics[i]);
                      }));
}
base::Result<Opened, FrameError> decode_opened(base::ByteView body) {
    using Answer = base::Result<Opened, FrameError>;
    return parse<schema::Opened>(body, [](schema::Opened::Reader from) -> Answer {
        const auto topics = from.getTopics();
        const auto peer = from.getPeer();
        if (from.getSession() == 0 || peer.size() > kNameBytesMax || topics.size() > kTopicsMax)
            return FrameError::out_of_range;
        Opened opened{SessionId{from.getSession()}, text_of(peer), {}};
        for (const auto topic : topics) {
            if (topic.size() > kTopicBytesMax) return FrameError::out_of_range;
            opened.topics.push_back(text_of(topic));
        }
        return opened;
    });
}

base::Bytes encode(const Closed& closed) {
    return link_frame(FrameKind::closed,
                      build<schema::Closed>(kSmallBodyWords, [&](schema::Closed::Builder to) {
                          to.setSession(static_cast<std::uint64_t>(closed.session));
                          to.setReason(static_cast<std::uint8_t>(closed.reason));
                      }));
}
base::Result<Closed, FrameError> decode_closed(base::ByteView body) {
    using Answer = base::Result<Closed, FrameError>;
    return parse<schema::Closed>(body, [](schema::Closed::Reader from) -> Answer {
        if (!in_range(from.getReason(), SessionEnd::peer_gone, SessionEnd::peer_reset))
            return FrameError::out_of_range;
        return Closed{SessionId{from.getSession()}, SessionEnd{from.getReason()}};
    });
}

base::Bytes encode(const Ping& ping, FrameKind kind) {
    return link_frame(kind, build<schema::Ping>(kSmallBodyWords, [&](schema::Ping::Builder to) {
                          to.setCount(ping.count);
                      }));
}
base::Result<Ping, FrameError> decode_ping(base::ByteView body) {
    using Answer = base::Result<Ping, FrameError>;
    return parse<schema::Ping>(
        body, [](schema::Ping::Reader from) -> Answer { return Ping{from.getCount()}; });
}

base::Bytes encode(const Bye& bye) {
    return link_frame(FrameKind::bye,
                      build<schema::Bye>(kSmallBodyWords, [&](schema::Bye::Builder to) {
                          to.setReason(static_cast<std::uint8_t>(bye.reason));
                          to.setRetryAfterMs(bye.retry_after_ms);
                      }));
}
base::Result<Bye, FrameError> decode_bye(base::ByteView body) {
    using Answer = base::Result<Bye, FrameError>;
    return parse<schema::Bye>(body, [](schema::Bye::Reader from) -> Answer {
        if (!in_range(from.getReason(), ByeReason::shutdown, ByeReason::name))
            return FrameError::out_of_range;
        return Bye{ByeReason{from.getReason()}, from.getRetryAfterMs()};
    });
}

base::Bytes encode(SessionId session, const Log& log) {
    SALLYPORT_ASSERT(log.runs.size() <= kRunsMax);
    const auto body = build<schema::Log>(log.runs.size() * 4 + 16, [&](schema::Log::Builder to) {
        auto runs = to.initEpochs(static_cast<unsigned>(log.runs.size()));
        for (unsigned i = 0; i < runs.size(); ++i) {
            runs[i].setEpoch(log.runs[i].epoch);
            runs[i].setFirst(log.runs[i].first);
            runs[i].setLast(log.runs[i].last);
        }
    });
    return encode_frame(session, FrameKind::log, body);
}
base::Result<Log, FrameError> decode_log(base::ByteView body) {
    using Answer = base::Result<Log, FrameError>;
    return parse<schema::Log>(body, [](schema::Log::Reader from) -> Answer {
        const auto epochs = from.getEpochs();
        if (epochs.size() > kRunsMax) return FrameError::out_of_range;
        Log log;
        for (const auto run : epochs) {
            if (run.getEpoch() == 0) return FrameError::out_of_range;
            log.runs.push_back({run.getEpoch(), run.getFirst(), run.getLast()});
        }
        return log;
    });
}

base::Bytes encode(SessionId session, const Resume& resume) {
    const auto body = build<schema::Resume>(kSmallBodyWords, [&](schema::Resume::Builder to) {
        to.setStore(resume.store);
        set_position(to, resume.position);
        to.setCredit(resume.credit);
    });
    return encode_frame(session, FrameKind::resume, body);
}
base::Result<Resume, FrameError> decode_resume(base::ByteView body) {
    using Answer = base::Result<Resume, FrameError>;
    return parse<schema::Resume>(body, [](schema::Resume::Reader from) -> Answer {
        return Resume{from.getStore(),
                      {from.getEpoch(), from.getPosition(), from.getChecksum()},
                      from.getCredit()};
    });
}

base::Bytes encode(SessionId session, const Ack& ack) {
    const auto body = build<schema::Ack>(kSmallBodyWords, [&](schema::Ack::Builder to) {
        set_position(to, ack.position);
        to.setCredit(ack.credit);
        to.setRefused(ack.refused);
    });
    return encode_frame(session, FrameKind::ack, body);
}
base::Result<Ack, FrameError> decode_ack(base::ByteView body) {
    using Answer = base::Result<Ack, FrameError>;
    return parse<schema::Ack>(body, [](schema::Ack::Reader from) -> Answer {
        return Ack{{from.getEpoch(), from.getPosition(), from.getChecksum()},
                   from.getCredit(),
                   from.getRefused()};
    });
}

base::Bytes encode(SessionId session, const Beat& beat) {
    const auto body = build<schema::Beat>(kSmallBodyWords, [&](schema::Beat::Builder to) {
        to.setTail(beat.tail);
        to.setClockNs(beat.clock.ns);
        to.setBehindNs(beat.behind.count());
        to.setSpooledRecords(beat.spooled_records);
        to.setCount(beat.count);
        to.setEcho(beat.echo);
        to.setSinceEchoNs(beat.since_echo.count());
    });
    return encode_frame(session, FrameKind::beat, body);
}
base::Result<Beat, FrameError> decode_beat(base::ByteView body) {
    using Answer = base::Result<Beat, FrameError>;
    return parse<schema::Beat>(body, [](schema::Beat::Reader from) -> Answer {
        return Beat{from.getTail(),
                    {std::clamp<std::int64_t>(from.getClockNs(), 0, kClockNsMax)},
                    base::Duration{from.getBehindNs()},
                    from.getSpooledRecords(),
                    from.getCount(),
                    from.getEcho(),
                    base::Duration{from.getSinceEchoNs()}};
    });
}

base::Bytes encode(SessionId session, const Echo& echo) {
    const auto body = build<schema::Echo>(kSmallBodyWords, [&](schema::Echo::Builder to) {
        to.setCount(echo.count);
        to.setClockNs(echo.clock.ns);
    });
    return encode_frame(session, FrameKind::echo, body);
}
base::Result<Echo, FrameError> decode_echo(base::ByteView body) {
    using Answer = base::Result<Echo, FrameError>;
    return parse<schema::Echo>(body, [](schema::Echo::Reader from) -> Answer {
        return Echo{from.getCount(), {from.getClockNs()}};
    });
}

base::Bytes encode(SessionId session, const Gap& gap) {
    const auto body = build<schema::Gap>(kSmallBodyWords, [&](schema::Gap::Builder to) {
        to.setEpoch(gap.epoch);
        to.setFrom(gap.from);
        to.setTo(gap.to);
        to.setWhy(static_cast<std::uint8_t>(gap.why));
    });
    return encode_frame(session, FrameKind::gap, body);
}
base::Result<Gap, FrameError> decode_gap(base::ByteView body) {
    using Answer = base::Result<Gap, FrameError>;
    return parse<schema::Gap>(body, [](schema::Gap::Reader from) -> Answer {
        if (!in_range(from.getWhy(), GapReason::before_log, GapReason::unknown_position))
            return FrameError::out_of_range;
        return Gap{from.getEpoch(), from.getFrom(), from.getTo(), GapReason{from.getWhy()}};
    });
}

base::Bytes encode(SessionId session, const Define& define) {
    SALLYPORT_ASSERT(define.tags.size() <= kDefineTagsMax);
    std::size_t words = 16;
    for (const auto& tag : define.tags) words += tag.topic.size() / kWord + 4;
    const auto body = build<schema::Define>(words, [&](schema::Define::Builder to) {
        auto tags = to.initTags(static_cast<unsigned>(define.tags.size()));
        for (unsigned i = 0; i < tags.size(); ++i) {
            tags[i].setId(define.tags[i].id);
            tags[i].setTopic(define.tags[i].topic);
        }
    });
    return encode_frame(session, FrameKind::define, body);
}
base::Result<Define, FrameError> decode_define(base::ByteView body) {
    using Answer = base::Result<Define, FrameError>;
    return parse<schema::Define>(body, [](schema::Define::Reader from) -> Answer {
        const auto tags = from.getTags();
        if (tags.size() > kDefineTagsMax) return FrameError::out_of_range;
        Define define;
        define.tags.reserve(tags.size());
        for (const auto tag : tags) {
            const auto topic = tag.getTopic();
            if (topic.size() == 0 || topic.size() > kTopicBytesMax) return FrameError::out_of_range;
            define.tags.push_back({tag.getId(), text_of(topic)});
        }
        return define;
    });
}

namespace {

void set_absent(schema::Batch::Builder to, const BatchHead& head) {
    auto list = to.initAbsent(static_cast<unsigned>(head.absent.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
        const auto& from = head.absent[i];
        list[i].setFirst(static_cast<std::uint16_t>(from.first - head.first));
        list[i].setLast(static_cast<std::uint16_t>(from.last - head.first));
        list[i].setWhy(static_cast<std::uint8_t>(from.why));
        list[i].setSinceNs(from.since.ns);
    }
}

}  // namespace

base::Bytes encode_batch(const BatchHead& head, std::span<const BatchRecord> records) {
    SALLYPORT_ASSERT(records.size() <= kBatchRecordsMax &&
                     head.last - head.first < kBatchRecordsMax);
    std::size_t words = 16;
    for (const auto& record : records) {
        words += kRecordWords + record.value.size() / kWord + record.properties.size() / kWord +
                 record.also_tags.size() / 2 + 3;
    }
    if (!head.absent.empty()) words += head.absent.size() * kAbsentWords + 1;
    return build<schema::Batch>(words, [&](schema::Batch::Builder to) {
        to.setEpoch(head.epoch);
        to.setFirst(head.first);
        to.setLast(head.last);
        to.setWhole(head.whole_checksum);
        if (!head.absent.empty()) set_absent(to, head);
        auto list = to.initRecords(static_cast<unsigned>(records.size()));
        for (unsigned i = 0; i < list.size(); ++i) {
            const auto& from = records[i];
            auto record = list[i];
            record.setOffset(static_cast<std::uint16_t>(from.seq - head.first));
            record.setFlags(from.flags);
            record.setTag(from.tag);
            record.setQuality(record::code(from.quality));
            record.setSourceNs(from.source_time.ns);
            record.setArrivalNs(from.arrival_time.ns);
            if (!from.value.empty()) record.setValue(data_of(from.value));
            if (!from.properties.empty()) record.setProperties(data_of(from.properties));
            if (from.also_tags.empty()) continue;
            SALLYPORT_ASSERT(from.also_tags.size() <= kAlsoTagsMax);
            auto also = record.initTags(static_cast<unsigned>(from.also_tags.size()));
            for (unsigned k = 0; k < also.size(); ++k) also.set(k, from.also_tags[k]);
        }
    });
}

namespace {

base::Result<BatchHead, FrameError> head_of(schema::Batch::Reader from, std::size_t records) {
    BatchHead head{from.getEpoch(), from.getFirst(), from.getLast(), from.getWhole(), {}};
    const auto absent = from.getAbsent();
    if (head.epoch == 0 || head.first == 0 || head.last < head.first ||
        head.last - head.first >= kBatchRecordsMax || records > kBatchRecordsMax ||
        absent.size() > kBatchRecordsMax)
        return FrameError::out_of_range;
    head.absent.reserve(absent.size());
    for (const auto each : absent) {
        const Absent stretch{head.first + each.getFirst(),
                             head.first + each.getLast(),
                             AbsentReason{each.getWhy()},
                             {each.getSinceNs()}};
        const auto from_seq = head.absent.empty() ? head.first : head.absent.back().last + 1;
        if (stretch.first < from_seq || stretch.last < stretch.first || stretch.last > head.last ||
            !in_range(each.getWhy(), AbsentReason::refused, AbsentReason::conflated))
            return FrameError::out_of_range;
        head.absent.push_back(stretch);
    }
    return head;
}

/// What is said to be absent must not be there. Both rise.
bool is_absent(const std::vector<Absent>& absent, std::size_t& at, record::Seq seq) {
    while (at < absent.size() && absent[at].last < seq) ++at;
    return at < absent.size() && absent[at].first <= seq;
}

}  // namespace

base::Result<BatchHead, FrameError> decode_batch_head(base::ByteView body) {
    return parse<schema::Batch>(
        body, [](schema::Batch::Reader from) { return head_of(from, from.getRecords().size()); });
}

base::Result<BatchHead, FrameError> decode_batch(base::ByteView body,
                                                 std::vector<BatchRecord>& records) {
    using Answer = base::Result<BatchHead, FrameError>;
    records.clear();
    return parse<schema::Batch>(body, [&records](schema::Batch::Reader from) -> Answer {
        const auto list = from.getRecords();
        auto head = head_of(from, list.size());
        if (!head) return head;
        record::Seq previous = 0;
        std::size_t absent = 0;
        records.reserve(list.size());
        for (const auto record : list) {
            const record::Seq seq = head->first + record.getOffset();
            const auto also_tags = record.getTags();
            if (seq <= previous || seq > head->last || also_tags.size() > kAlsoTagsMax ||
                is_absent(head->absent, absent, seq))
                return FrameError::out_of_range;
            previous = seq;
            auto& to = records.emplace_back();
            to.seq = seq;
            to.tag = record.getTag();
            to.flags = record.getFlags();
            to.quality = record::Quality{record.getQuality()};
            to.source_time = {record.getSourceNs()};
            to.arrival_time = {record.getArrivalNs()};
            to.value = view_of(record.getValue());
            to.properties = view_of(record.getProperties());
            for (const auto tag : also_tags) to.also_tags.push_back(tag);
        }
        return head;
    });
}

std::uint64_t batch_checksum(record::Epoch epoch, base::ByteView body) {
    return XXH3_64bits_withSeed(body.data(), body.size(), epoch);
}

}  // namespace sallyport::tunnel
