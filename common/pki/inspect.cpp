#include "common/pki/x509_fields.hpp"

namespace sallyport::pki {

CertificateInfo inspect_certificate(const std::string& pem_path) {
    // Of a chain, the first is the one that the file is about.
    return describe(read_certificates(pem_path).front().get());
}

RequestInfo inspect_request(const std::string& pem_path) {
    return describe(read_request(pem_path).get());
}

}  // namespace sallyport::pki
