// `demo`: a whole plant for one machine, its identities made as real ones are: request, sign,
// install.
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "deploy/ca/demo_configuration.hpp"
#include "deploy/ca/verbs.hpp"

namespace sallyport::ca {
namespace {

namespace fs = std::filesystem;

struct DemoAgent {
    base::Role role;
    const char* name;
    const char* program;
    std::string (*configuration)(int base_port);
};

constexpr std::array<DemoAgent, 3> kAgents{
    {{base::Role::edge, kDemoEdge, "edge-agent", demo_edge_toml},
     {base::Role::relay, kDemoRelay, "dmz-relay", demo_relay_toml},
     {base::Role::it, kDemoIt, "it-agent", demo_it_toml}}};

void refuse_used_folder(const fs::path& dir) {
    if (!fs::exists(fs::symlink_status(dir))) return;
    if (!fs::is_directory(dir) || !fs::is_empty(dir))
        throw std::runtime_error(dir.string() +
                                 " exists and is not an empty folder; choose another --dir");
}

void make_private_folder(const fs::path& dir) {
    fs::create_directories(dir);
    fs::permissions(dir, fs::perms::owner_all);
}

void enroll(pki::Authority& authority, const DemoAgent& agent, const fs::path& dir) {
    const std::string folder{base::to_string(agent.role)};
    const auto own = [&](const char* ending) { return (dir / "pki" / (folder + ending)).string(); };
    const auto request_path = (dir / "ca" / (folder + ".csr")).string();
    const auto signed_path = (dir / "ca" / (folder + ".crt")).string();

    pki::make_request(agent.name, own(".key"), request_path);
    pki::SignRequest request;
    request.role = agent.role;
    request.name = agent.name;
    request.request_path = request_path;
    request.out_path = signed_path;
    authority.sign(request, wall_clock());
    const pki::InstallTarget target{own(".key"), own(".crt"), (dir / "pki" / "ca.crt").string(),
                                    agent.role, agent.name};
    pki::install_certificate(target, signed_path, (dir / "ca" / "ca.crt").string(), wall_clock());
    fs::remove(request_path);
    fs::remove(signed_path);
}

void write_configuration(const fs::path& path, const std::string& text) {
    std::ofstream file(path);
    file << text;
    if (!file.flush())
        throw pki::StorageError("cannot write " + path.string() +
                                "; check its folder and the disk");
}

}  // namespace

void demo(const DemoOptions& options) {
    const fs::path dir{options.dir};
    refuse_used_folder(dir);
    fs::create_directories(dir);
    make_private_folder(dir / "pki");
    auto authority = pki::Authority::init((dir / "ca").string(), kDemoPlant, {}, wall_clock());
    for (const auto& agent : kAgents) {
        make_private_folder(dir / "data" / base::to_string(agent.role));
        enroll(authority, agent, dir);
        write_configuration(dir / (std::string(agent.program) + ".toml"),
                            agent.configuration(options.base_port));
    }
    std::cout << "A plant for this machine is in " << options.dir << ". Start its agents with\n";
    for (const auto& agent : kAgents)
        std::cout << "  " << agent.program << " run -c " << (dir / agent.program).string()
                  << ".toml\n";
    std::cout << "then publish to 127.0.0.1:" << options.base_port + 1
              << " and subscribe to 127.0.0.1:" << options.base_port + 3 << ".\n";
}

}  // namespace sallyport::ca
