// The authority's index: what it signed, one tab-separated line a certificate, oldest first, for
// people and for `list`. Written whole and atomically; the caller holds the authority's lock.
#pragma once

#include <string>
#include <vector>

#include "common/pki/authority.hpp"

namespace sallyport::pki {

/// Times in it are RFC 3339 as base::to_rfc3339 writes them. Throws StorageError with the line's
/// number where a line is not of the index's form: a damaged index must not let a name be given
/// twice.
std::vector<IssuedCertificate> parse_index(const std::string& text, const std::string& path);
std::string format_index(const std::vector<IssuedCertificate>& certificates);

}  // namespace sallyport::pki
