#include "deploy/ca/verbs.hpp"

#include <chrono>
#include <iomanip>
#include <iostream>

#include "common/pki/report.hpp"
#include "deploy/ca/passphrase.hpp"

namespace sallyport::ca {
namespace {

/// The index records what was done; that time has passed since is for the reader to be told.
std::string status_at(const pki::IssuedCertificate& certificate, base::WallTime now) {
    const bool over = certificate.status == "valid" && now >= certificate.not_after;
    return over ? "expired" : certificate.status;
}

/// Nothing needs escaping: the index admits only names, hex, times and the words of a status.
void print_json(const std::vector<pki::IssuedCertificate>& certificates, base::WallTime now) {
    const char* separator = "[";
    for (const auto& one : certificates) {
        std::cout << separator << "\n  {\"serial\": \"" << one.serial << "\", \"role\": \""
                  << base::to_string(one.role) << "\", \"name\": \"" << one.name
                  << "\", \"not_before\": \"" << base::to_rfc3339(one.not_before)
                  << "\", \"not_after\": \"" << base::to_rfc3339(one.not_after)
                  << "\", \"spki_sha256\": \"" << one.spki_sha256 << "\", \"status\": \""
                  << status_at(one, now) << "\"}";
        separator = ",";
    }
    std::cout << (certificates.empty() ? "[]\n" : "\n]\n");
}

void print_table(const std::vector<pki::IssuedCertificate>& certificates, base::WallTime now) {
    const auto row = [](std::string_view role, std::string_view name, std::string_view status,
                        std::string_view not_after, std::string_view serial) {
        std::cout << std::left << std::setw(8) << role << std::setw(24) << name << std::setw(10)
                  << status << std::setw(32) << not_after << serial << '\n';
    };
    row("role", "name", "status", "not after", "serial");
    for (const auto& one : certificates)
        row(base::to_string(one.role), one.name, status_at(one, now),
            base::to_rfc3339(one.not_after), one.serial);
}

/// A replaced certificate is out of the index's use, not out of the world.
void warn_of_replaced(const std::vector<pki::IssuedCertificate>& before,
                      const pki::SignRequest& request, base::WallTime now) {
    for (const auto& one : before)
        if (one.role == request.role && one.name == request.name && now < one.not_after)
            std::cout << "note          serial " << one.serial
                      << " of this name stays usable until " << base::to_rfc3339(one.not_after)
                      << "; keep its key out of use\n";
}

}  // namespace

base::WallTime wall_clock() {
    using namespace std::chrono;
    return {duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count()};
}

void init(const std::string& dir, const std::string& plant, const PassphraseSource& source) {
    const auto passphrase = passphrase_for_new_key(source);
    pki::Authority::init(dir, plant, passphrase, wall_clock());
    std::cout << pki::report_file(dir + "/ca.crt") << "written       " << dir << "/ca.crt, " << dir
              << "/ca.key (" << (passphrase.empty() ? "mode 0600, not encrypted" : "encrypted")
              << ")\n";
}

void sign(const std::string& dir, const pki::SignRequest& request, const PassphraseSource& source) {
    auto authority = pki::Authority::open(dir, passphrase_for_key_in(dir, source));
    const auto asked = pki::inspect_request(request.request_path);
    const auto before = pki::Authority::list(dir);
    const auto now = wall_clock();
    const auto info = authority.sign(request, now);
    std::cout << "request       " << request.request_path << " (" << asked.key_type << ")\n"
              << "SPKI SHA-256  " << asked.spki_sha256 << "\n"
              << "              compare it with what `cert request` printed\n"
              << "role          " << base::to_string(request.role) << "\n"
              << "name          " << request.name << "\n"
              << "identity      " << base::to_uri(info.identity.value()) << "\n";
    for (const auto& name : info.dns_names) std::cout << "DNS           " << name << '\n';
    for (const auto& address : info.ip_addresses) std::cout << "IP            " << address << '\n';
    std::cout << "valid         " << base::to_rfc3339(info.not_before) << " until "
              << base::to_rfc3339(info.not_after) << "\n"
              << "serial        " << info.serial << "\n";
    warn_of_replaced(before, request, now);
    std::cout << "written       " << request.out_path << "\n";
}

void list(const std::string& dir, bool as_json) {
    const auto certificates = pki::Authority::list(dir);
    if (as_json) {
        print_json(certificates, wall_clock());
    } else {
        print_table(certificates, wall_clock());
    }
}

void inspect(const std::string& path) {
    std::cout << pki::report_file(path);
}

}  // namespace sallyport::ca
