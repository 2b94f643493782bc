// A folder with a certificate authority for one test, and TLS settings made from what it signs.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "common/net/driver.hpp"
#include "common/net/tls_context.hpp"
#include "common/pki/authority.hpp"

namespace sallyport::net {

class ThrowAwayPki {
public:
    ThrowAwayPki() {
        std::string form = testing::TempDir() + "sallyport-net-XXXXXX";
        EXPECT_NE(mkdtemp(form.data()), nullptr);
        folder_ = form;
        authority_ = std::make_unique<pki::Authority>(
            pki::Authority::init(at("ca"), "acme", {}, real_now().wall));
    }
    ~ThrowAwayPki() { std::filesystem::remove_all(folder_); }
    ThrowAwayPki(const ThrowAwayPki&) = delete;
    ThrowAwayPki& operator=(const ThrowAwayPki&) = delete;

    std::string at(const std::string& name) const { return (folder_ / name).string(); }
    std::string ca() const { return at("ca") + "/ca.crt"; }

    /// Signed by this authority; trusting it too.
    TlsOptions options(base::Role role, const std::string& name, bool server) {
        TlsOptions options;
        options.server = server;
        options.ca_file = ca();
        options.cert_file = at(name + ".crt");
        options.key_file = at(name + ".key");
        if (std::filesystem::exists(options.cert_file)) return options;
        pki::make_request(name, options.key_file, at(name + ".csr"));
        pki::SignRequest order;
        order.role = role;
        order.name = name;
        if (role == base::Role::server) order.dns_names = {"localhost"};
        order.request_path = at(name + ".csr");
        order.out_path = options.cert_file;
        authority_->sign(order, real_now().wall);
        return options;
    }
    std::shared_ptr<TlsContext> relay(std::set<base::Role> lets_in = {base::Role::edge}) {
        auto chosen = options(base::Role::relay, "relay", true);
        chosen.peer_roles = std::move(lets_in);
        return std::make_shared<TlsContext>(chosen);
    }
    std::shared_ptr<TlsContext> dialler(base::Role role, const std::string& name) {
        auto chosen = options(role, name, false);
        chosen.peer_roles = {base::Role::relay};
        return std::make_shared<TlsContext>(chosen);
    }

private:
    std::filesystem::path folder_;
    std::unique_ptr<pki::Authority> authority_;
};

}  // namespace sallyport::net
