#include "common/ops/cert_verbs.hpp"

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string_view>

#include "common/ops/escape.hpp"
#include "common/pki/certificate.hpp"

namespace sallyport::ops {
namespace {

base::WallTime wall_now() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<std::chrono::nanoseconds>(since).count()};
}

void print(std::string_view key, const std::string& value) {
    std::cout << key << ": " << one_line(value) << '\n';
}

void print_list(std::string_view key, const std::vector<std::string>& values) {
    for (const auto& value : values) print(key, value);
}

void print_certificate(const pki::CertificateInfo& info) {
    print("identity", info.identity ? base::to_uri(*info.identity) : "none");
    print("subject", info.subject);
    print("issuer", info.issuer);
    print("serial", info.serial);
    print("key", info.key_type + (info.is_ca ? ", a certificate authority" : ""));
    print("public key sha256", info.spki_sha256);
    print("not before", base::to_rfc3339(info.not_before));
    print("not after", base::to_rfc3339(info.not_after));
    print_list("dns name", info.dns_names);
    print_list("ip address", info.ip_addresses);
    const auto now = wall_now();
    if (now < info.not_before) print("state", "not valid yet, by this machine's clock");
    if (now > info.not_after) print("state", "expired; request, sign and install a new one");
}

}  // namespace

int cert_request(const AgentProgram& program, const std::string& name, const std::string& key_path,
                 const std::string& request_path) {
    if (!base::is_valid_name(name))
        throw Failure(ExitCode::usage, "not a name: '" + escape(name) +
                                           "'; it must be of the form [a-z0-9][a-z0-9._-]{0,62}");
    const auto info = pki::make_request(name, key_path, request_path);
    print("request", request_path);
    print("key", key_path + " (" + info.key_type + ", stays on this machine)");
    print("public key sha256", info.spki_sha256);
    auto cert = std::filesystem::path(request_path).filename().replace_extension(".crt").string();
    print("next", "sallyport-ca sign --dir CA --role " +
                      std::string(base::to_string(program.role)) + " --name " + name + " --out " +
                      cert + " " + std::filesystem::path(request_path).filename().string());
    return to_int(ExitCode::ok);
}

int cert_install(const AgentProgram& program, const std::string& config_path,
                 const std::string& cert_path, const std::string& ca_path) {
    const auto paths = program.paths(config_path);
    if (paths.key.empty() || paths.cert.empty() || paths.ca.empty())
        throw Failure(ExitCode::configuration,
                      config_path +
                          ": there is no [tls] section that says where the certificate goes; "
                          "add it with ca, cert and key");
    const pki::InstallTarget target{paths.key, paths.cert, paths.ca, program.role, paths.name};
    const auto info = pki::install_certificate(target, cert_path, ca_path, wall_now());
    print("installed", paths.cert + " and " + paths.ca);
    print_certificate(info);
    return to_int(ExitCode::ok);
}

int cert_inspect(const std::string& path) {
    print_certificate(pki::inspect_certificate(path));
    return to_int(ExitCode::ok);
}

}  // namespace sallyport::ops
