// One process a data directory.
#pragma once

#include <string>

namespace sallyport::ops {

/// Makes `data_dir` (0700, with its parents) where it is absent and holds an exclusive flock(2) on
/// `<data_dir>/lock` as long as it lives; the kernel lets go of it however the process ends. Throws
/// Failure(storage) where that cannot be, naming the process that holds it.
class DataDirLock {
public:
    explicit DataDirLock(const std::string& data_dir);
    ~DataDirLock();
    DataDirLock(const DataDirLock&) = delete;
    DataDirLock& operator=(const DataDirLock&) = delete;

private:
    int descriptor_ = -1;
};

}  // namespace sallyport::ops
