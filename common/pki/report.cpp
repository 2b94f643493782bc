#include "common/pki/report.hpp"

#include <string_view>

#include "common/pki/durable_file.hpp"

namespace sallyport::pki {
namespace {

constexpr std::size_t kLabelWidth = 14;

std::string line(std::string_view label, std::string_view value) {
    std::string text{label};
    text.resize(kLabelWidth, ' ');
    return text.append(value) + '\n';
}

}  // namespace

std::string report(const CertificateInfo& info) {
    std::string text = line("kind", info.is_ca ? "CA certificate" : "certificate");
    text += line("identity", info.identity ? base::to_uri(*info.identity) : "none");
    text += line("subject", info.subject);
    text += line("issuer", info.issuer);
    text += line("serial", info.serial);
    text += line("not before", base::to_rfc3339(info.not_before));
    text += line("not after", base::to_rfc3339(info.not_after));
    for (const auto& name : info.dns_names) text += line("DNS", name);
    for (const auto& address : info.ip_addresses) text += line("IP", address);
    text += line("key", info.key_type);
    text += line("SPKI SHA-256", info.spki_sha256);
    return text;
}

std::string report(const RequestInfo& info) {
    return line("kind", "certificate request") + line("subject", info.subject) +
           line("key", info.key_type) + line("SPKI SHA-256", info.spki_sha256);
}

std::string report_file(const std::string& pem_path) {
    // "CERTIFICATE REQUEST", and "NEW CERTIFICATE REQUEST" as older tools write it.
    const bool is_request =
        read_file(pem_path).find("CERTIFICATE REQUEST-----") != std::string::npos;
    return is_request ? report(inspect_request(pem_path)) : report(inspect_certificate(pem_path));
}

}  // namespace sallyport::pki
