// Room kept free for the ledger: a preallocated file that is removed when a full disk refuses what
// must be written before anything can be freed, and made again when there is room.
#pragma once

#include <cstdint>
#include <filesystem>

namespace sallyport::edge_agent {

class DiskReserve {
public:
    static constexpr std::uint64_t kBytes = 16U << 20U;

    /// Takes the reserve, if the disk has the room.
    explicit DiskReserve(std::filesystem::path file, std::uint64_t bytes = kBytes);

    bool is_held() const { return held_; }
    /// True: its room is free now.
    bool give_up();
    /// Takes it again where the disk has twice its size free, so that it competes with nobody.
    void take_if_room();

private:
    bool allocate() const;

    std::filesystem::path file_;
    std::uint64_t bytes_;
    bool held_ = false;
};

}  // namespace sallyport::edge_agent
