// What `inspect` prints: one "label  value" line a field, for a person on a terminal.
#pragma once

#include <string>

#include "common/pki/certificate.hpp"

namespace sallyport::pki {

std::string report(const CertificateInfo& info);
std::string report(const RequestInfo& info);

/// Of a PEM file that holds a certificate or a request; the file says which. Throws PkiError.
std::string report_file(const std::string& pem_path);

}  // namespace sallyport::pki
