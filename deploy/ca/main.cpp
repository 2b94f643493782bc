// sallyport-ca: the offline authority that gives agents their identities. Exit codes: 0 ok, 1
// failure, 2 usage, 4 identity, 7 storage.
#include <filesystem>
#include <functional>
#include <iostream>

#include <CLI/CLI.hpp>

#include "deploy/ca/verbs.hpp"

namespace {

using namespace std::string_literals;
using StringList = std::vector<std::string>;

enum ExitCode { kOk = 0, kFailure = 1, kUsage = 2, kIdentity = 4, kStorage = 7 };

const CLI::Validator kName{[](const std::string& text) {
                               return sallyport::base::is_valid_name(text)
                                          ? ""s
                                          : "'" + text +
                                                "' is not of the form [a-z0-9][a-z0-9._-]{0,62}";
                           },
                           "NAME"};

/// Everything the command line can say; the verb that was given fills its part.
struct CommandLine {
    std::string dir, plant, role, inspected;
    sallyport::pki::SignRequest request;
    sallyport::ca::PassphraseSource passphrase;
    sallyport::ca::DemoOptions demo;
    bool as_json = false;
    std::function<void()> verb;
};

CLI::App* add_verb(CLI::App& app, const char* name, const char* about, CommandLine& line,
                   std::function<void()> verb) {
    auto* sub = app.add_subcommand(name, about);
    sub->callback([&line, verb = std::move(verb)] { line.verb = verb; });
    return sub;
}

void add_dir_and_passphrase(CLI::App& verb, CommandLine& line) {
    verb.add_option("--dir", line.dir, "The CA's folder")->required();
    verb.add_option("--passphrase-file", line.passphrase.file,
                    "File whose first line is the CA key's passphrase");
}

void declare_init(CLI::App& app, CommandLine& line) {
    auto* verb = add_verb(app, "init", "Make a CA for a plant", line,
                          [&line] { sallyport::ca::init(line.dir, line.plant, line.passphrase); });
    add_dir_and_passphrase(*verb, line);
    verb->add_option("--plant", line.plant, "The plant's name")->required()->check(kName);
    verb->add_flag("--encrypt", line.passphrase.encrypt, "Ask for a passphrase on the terminal");
}

void declare_sign(CLI::App& app, CommandLine& line) {
    auto* verb = add_verb(app, "sign", "Sign a request", line, [&line] {
        line.request.role = sallyport::base::parse_role(line.role).value();
        const bool hosts = !line.request.dns_names.empty() || !line.request.ip_addresses.empty();
        if (hosts != (line.request.role == sallyport::base::Role::server))
            throw CLI::ValidationError("--role server needs --dns or --ip, and only it takes them");
        sallyport::ca::sign(line.dir, line.request, line.passphrase);
    });
    add_dir_and_passphrase(*verb, line);
    auto& request = line.request;
    verb->add_option("--role", line.role, "edge, relay, it, server or client")
        ->required()
        ->check(CLI::IsMember({"edge", "relay", "it", "server", "client"}));
    verb->add_option("--name", request.name, "The name it shall have")->required()->check(kName);
    verb->add_option("--days", request.days, "How long it lives")
        ->capture_default_str()
        ->check(CLI::Range(1, 7300));
    verb->add_option("--dns", request.dns_names, "A host name (role server)")
        ->allow_extra_args(false);
    verb->add_option("--ip", request.ip_addresses, "An address (role server)")
        ->allow_extra_args(false);
    verb->add_flag("--replace", request.replace, "Give a name again that is in use");
    verb->add_option("--out", request.out_path, "Where the certificate goes")->required();
    verb->add_option("request", request.request_path, "The request (PEM)")->required();
}

void declare_others(CLI::App& app, CommandLine& line) {
    auto* list = add_verb(app, "list", "Show what was signed", line,
                          [&line] { sallyport::ca::list(line.dir, line.as_json); });
    list->add_option("--dir", line.dir, "The CA's folder")->required();
    list->add_flag("--json", line.as_json, "As JSON");

    auto* inspect = add_verb(app, "inspect", "Show a certificate or request", line,
                             [&line] { sallyport::ca::inspect(line.inspected); });
    inspect->add_option("file", line.inspected, "The file (PEM)")->required();

    auto* demo = add_verb(app, "demo", "Make CA, identities and configuration for one machine",
                          line, [&line] { sallyport::ca::demo(line.demo); });
    demo->add_option("--dir", line.demo.dir, "A new or empty folder")->required();
    demo->add_option("--base-port", line.demo.base_port, "Ports base+1 to base+13 are given out")
        ->capture_default_str()
        ->check(CLI::Range(1, 65535 - sallyport::ca::kDemoPortsAboveBase));
}

int complain(const std::string& what, ExitCode code) {
    std::cerr << "sallyport-ca: " << what << '\n';
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Gives Sallyport's agents their identities", "sallyport-ca"};
    app.set_version_flag("--version", SALLYPORT_VERSION);
    app.require_subcommand(1);
    CommandLine line;
    declare_init(app, line);
    declare_sign(app, line);
    declare_others(app, line);
    try {
        app.parse(argc, argv);
        line.verb();
        if (!std::cout.flush()) return complain("cannot write to standard output", kStorage);
        return kOk;
    } catch (const CLI::Success& asked_for_help) {
        return app.exit(asked_for_help);
    } catch (const CLI::RequiredError& error) {
        const auto unknown = app.get_subcommands().empty() ? app.remaining() : StringList{};
        const auto what =
            unknown.empty() ? error.what() : "there is no verb '" + unknown.front() + "'";
        return complain(what + "; see sallyport-ca --help", kUsage);
    } catch (const CLI::ParseError& error) {
        return complain(error.what() + "; see sallyport-ca --help"s, kUsage);
    } catch (const sallyport::pki::StorageError& error) {
        return complain(error.what(), kStorage);
    } catch (const sallyport::pki::PkiError& error) {
        return complain(error.what(), kIdentity);
    } catch (const std::filesystem::filesystem_error& error) {
        return complain(error.what(), kStorage);
    } catch (const std::exception& error) {
        return complain(error.what(), kFailure);
    }
}
