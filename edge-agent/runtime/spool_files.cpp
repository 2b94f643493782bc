#include "edge-agent/runtime/spool_files.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include "common/ops/exit_codes.hpp"

namespace sallyport::edge_agent {
namespace {

namespace fs = std::filesystem;

struct SegmentFile {
    fs::path path;
    spool::SegmentHeader header;
};

base::Bytes read_at(std::ifstream& file, std::uint64_t offset, std::size_t length) {
    base::Bytes bytes(length);
    file.clear();
    file.seekg(static_cast<std::streamoff>(offset));
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(length));
    bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return bytes;
}

/// Sorted; where two begin at one seq, the later stands for both.
std::vector<SegmentFile> find_segments(const fs::path& directory, SpoolWalk& walk) {
    std::error_code error;
    std::vector<SegmentFile> segments;
    for (fs::directory_iterator at(directory, error), end; !error && at != end;
         at.increment(error)) {
        const auto name = at->path().filename().string();
        if (!spool::parse_segment_name(name)) continue;
        std::ifstream file(at->path(), std::ios::binary);
        const auto page = read_at(file, 0, spool::kSegmentHeaderBytes);
        if (const auto header = spool::decode_segment_header(page))
            segments.push_back({at->path(), *header});
        else if (!spool::is_zero(page))
            walk.unreadable.push_back(name);
    }
    if (error)
        throw ops::Failure(ops::ExitCode::storage, directory.string() + ": " + error.message() +
                                                       "; check data_dir and its permissions");
    std::ranges::sort(segments, [](const auto& a, const auto& b) {
        return std::tie(a.header.first, a.header.ordinal) <
               std::tie(b.header.first, b.header.ordinal);
    });
    for (std::size_t i = 1; i < segments.size();)
        if (segments[i - 1].header.first == segments[i].header.first)
            segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(i) - 1);
        else
            ++i;
    return segments;
}

class Walker {
public:
    Walker(SpoolWalk& walk, const std::function<void(const WalkedEntry&)>& visit)
        : walk_(walk), visit_(visit) {}

    /// Entries from `void_from` on stand in a later segment.
    void segment(const SegmentFile& segment, record::Seq void_from, bool is_last) {
        std::error_code error;
        const auto size = fs::file_size(segment.path, error);
        std::ifstream file(segment.path, std::ios::binary);
        if (error || !file) return;  // trimmed meanwhile
        ++walk_.segments;
        if (expected_ == 0) walk_.first = expected_ = segment.header.first;
        const auto name = segment.path.filename().string();
        spool::EntryScanner scanner(segment.header.seed, spool::kSegmentHeaderBytes, size / 8 * 8);
        for (;;) {
            const auto step = scanner.next();
            if (const auto* need = std::get_if<spool::EntryScanner::NeedBytes>(&step)) {
                scanner.supply(need->offset, read_at(file, need->offset, need->length),
                               need->length);
                continue;
            }
            const auto* found = std::get_if<spool::EntryScanner::Found>(&step);
            if (found == nullptr || found->header.first >= void_from) break;
            entry(segment.header.epoch, *found, name);
        }
        if (is_last)
            walk_.unfinished_tail = scanner.met_garbage();
        else if (expected_ < void_from)
            hole(void_from - 1, name);
    }

private:
    void hole(record::Seq last, const std::string& name) {
        walk_.holes.push_back({expected_, last, name});
        expected_ = last + 1;
    }
    void entry(record::Epoch epoch, const spool::EntryScanner::Found& found,
               const std::string& name) {
        if (found.header.first > expected_) hole(found.header.first - 1, name);
        expected_ = found.header.last + 1;
        walk_.last = found.header.last;
        ++walk_.entries;
        WalkedEntry entry{epoch, found.header, {}, records_};
        const bool sound = spool::decode_local(found.local, entry.local) &&
                           tunnel::decode_batch(found.body, records_);
        if (!sound) return walk_.holes.push_back({found.header.first, found.header.last, name});
        walk_.records += records_.size();
        visit_(entry);
    }

    SpoolWalk& walk_;
    const std::function<void(const WalkedEntry&)>& visit_;
    record::Seq expected_ = 0;
    std::vector<tunnel::BatchRecord> records_;
};

}  // namespace

SpoolWalk walk_spool(const fs::path& directory,
                     const std::function<void(const WalkedEntry&)>& visit) {
    SpoolWalk walk;
    const auto segments = find_segments(directory, walk);
    Walker walker(walk, visit);
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const bool is_last = i + 1 == segments.size();
        walker.segment(segments[i], is_last ? spool::kSeqEnd : segments[i + 1].header.first,
                       is_last);
    }
    return walk;
}

}  // namespace sallyport::edge_agent
