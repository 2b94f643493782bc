// Reads every frame of the tunnel as it leaves and as it arrives, and holds the promises that can
// be seen there: nothing is sent before it is on disk, nothing beyond the credit, nothing is
// acknowledged that the store has not committed, and what is left out as superseded is in the
// ledger, on disk, and stood for by a record that was there when it was left out. It keeps the gaps
// that were named.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/tunnel/frame.hpp"
#include "tests/simulation/edge_site.hpp"
#include "tests/simulation/it_site.hpp"
#include "tests/simulation/run.hpp"

namespace sallyport::simulation {

class TunnelWatch final : public Watch {
public:
    TunnelWatch(Run& run, std::deque<EdgeSite>& edges, std::deque<ItSite>& its)
        : run_(run), edges_(edges), its_(its) {}

    void sent(const Host& from, base::ByteView message) override;
    void delivered(const Host& to, base::ByteView message) override;

    /// Gaps that an it-agent was told of an edge.
    const std::vector<tunnel::Gap>& gaps(const EdgeSite& edge, const ItSite& it) const;
    /// An entry that the it-agent was given covers the record and does not hold it: the entry is of
    /// what was kept.
    bool was_passed_over(const EdgeSite& edge, const ItSite& it, const Identity& identity) const;
    /// What the it-agent was told to be superseded.
    const std::set<Identity>& conflated(const EdgeSite& edge, const ItSite& it) const;
    /// The record was left out as superseded, but of this tag, whose topic was lost with the entry
    /// that defined it, as refused: in the ledger so, and nothing newer of it comes either.
    bool was_refused(const EdgeSite& edge, const ItSite& it, const Identity& identity,
                     record::TagId tag) const;

private:
    /// A record of a tag was left out: a newer one that carries all of it must come. `until`: the
    /// newest record there was by then. When the full log drops more, that may be gone, too, for a
    /// newer one.
    struct Owed {
        record::Seq seq = 0, until = 0;
        bool value = false, retain = false;
        std::uint64_t dropped = 0;  // by then
    };
    /// One session as its edge sees it.
    struct Session {
        EdgeSite* edge = nullptr;
        ItSite* it = nullptr;
        std::uint64_t credit = 0, sent_bytes = 0, first_window = 0;
        tunnel::Position resumed;
        bool is_placed = false;  // what followed the Resume was seen
        std::deque<std::pair<tunnel::Position, std::uint64_t>> sent;  // with sent_bytes behind it
        std::map<record::TagId, std::vector<Owed>> owed;
    };

    EdgeSite* edge_of(const Host& host);
    ItSite* it_of(const Host& host);
    void edge_sends(Session& session, tunnel::FrameKind kind, base::ByteView body);
    void edge_sends_batch(Session& session, base::ByteView body);
    void edge_leaves_out(Session& session, const tunnel::BatchHead& head);
    void note_refused(const Session& session, const Identity& identity,
                      const DurableRecord& record);
    static bool is_ledgered(const Session& session, const Identity& identity, record::TagId tag,
                            record::LedgerReason why);
    void check_ledgered(const Session& session, const Identity& identity,
                        const DurableRecord& record);
    static std::uint64_t dropped_records(const EdgeSite& edge);
    void pay_owed(Session& session, const tunnel::BatchHead& head);
    static void excuse_owed(Session& session, base::ByteView gap);
    void it_acknowledges(const Session& session, const tunnel::Ack& ack);
    void edge_hears(Session& session, tunnel::FrameKind kind, base::ByteView body);
    void edge_hears_ack(Session& session, const tunnel::Ack& ack);
    void it_hears_gap(const Session& session, const tunnel::Gap& gap);
    void it_hears_batch(const Session& session, base::ByteView body);
    void note_place(Session& session, tunnel::FrameKind kind, base::ByteView body);

    Run& run_;
    std::deque<EdgeSite>& edges_;
    std::deque<ItSite>& its_;
    std::map<tunnel::SessionId, Session> sessions_;
    std::map<std::pair<const EdgeSite*, const ItSite*>, std::vector<tunnel::Gap>> gaps_;
    std::map<std::pair<const EdgeSite*, const ItSite*>, std::set<Identity>> passed_over_,
        conflated_;
    std::map<std::pair<const EdgeSite*, const ItSite*>,
             std::set<std::pair<Identity, record::TagId>>>
        refused_;
    std::vector<tunnel::BatchRecord> records_;
};

}  // namespace sallyport::simulation
