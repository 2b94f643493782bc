// One function a verb of sallyport-ca. They print to standard output and throw what went wrong:
// pki::PkiError, pki::StorageError, std::filesystem::filesystem_error, or std::runtime_error.
#pragma once

#include <string>

#include "common/pki/authority.hpp"

namespace sallyport::ca {

/// Where the passphrase of the CA's key comes from: the first line of a file, or the terminal.
struct PassphraseSource {
    std::string file;      // empty: none given
    bool encrypt = false;  // init only: ask on the terminal
};

void init(const std::string& dir, const std::string& plant, const PassphraseSource& source);
void sign(const std::string& dir, const pki::SignRequest& request, const PassphraseSource& source);
void list(const std::string& dir, bool as_json);
void inspect(const std::string& path);

struct DemoOptions {
    std::string dir;
    int base_port = 18800;
};
/// base + 13 is the highest port that demo gives out.
inline constexpr int kDemoPortsAboveBase = 13;
void demo(const DemoOptions& options);

base::WallTime wall_clock();

}  // namespace sallyport::ca
