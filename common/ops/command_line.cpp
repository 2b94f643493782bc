#include "common/ops/command_line.hpp"

#include <algorithm>
#include <array>
#include <iostream>
#include <string_view>
#include <system_error>
#include <utility>

#include <CLI/CLI.hpp>

#include "common/config/config_error.hpp"
#include "common/ops/cert_verbs.hpp"
#include "common/ops/escape.hpp"
#include "common/ops/status_verb.hpp"
#include "common/ops/tags.hpp"
#include "common/pki/certificate.hpp"

namespace sallyport::ops {
namespace {

// Verbs of later versions, so that who types them learns more than "unknown".
constexpr std::array<std::string_view, 1> kLaterVerbs{"doctor"};

/// What CLI11 writes into.
struct Arguments {
    std::string config;
    std::string topic;
    bool json = false, numbers = false, watch = false;
    std::string filter = "#";
    std::size_t limit = 1000;
    std::string name, key, out, cert, ca, file;
    SpoolArguments spool;
};

int check_config(const AgentProgram& program, const Arguments& arguments, bool has_topic) {
    const auto report =
        program.check(arguments.config, has_topic ? std::optional(arguments.topic) : std::nullopt);
    for (const auto& warning : report.warnings)
        std::cout << "warning: " << one_line(warning) << '\n';
    for (const auto& decision : report.decisions) std::cout << one_line(decision) << '\n';
    std::cout << arguments.config << ": ok\n";
    return to_int(ExitCode::ok);
}

int status(const AgentProgram& program, const Arguments& arguments) {
    const auto socket = program.paths(arguments.config).control_socket;
    const auto form = arguments.json      ? StatusForm::json
                      : arguments.numbers ? StatusForm::numbers
                                          : StatusForm::page;
    return arguments.watch ? watch_status(program.name, socket, form) : show_status(socket, form);
}

/// The verbs as CLI11 sees them. Each stores what to do; it is done after parsing, outside of
/// CLI11.
class Parser {
public:
    explicit Parser(const AgentProgram& program)
        : program_(program), app_("Sallyport " + program.name, program.name) {
        arguments_.config = default_config_path(program);
        app_.require_subcommand(1);
        add_run();
        add_check_config();
        add_status();
        if (program.has_tags) add_tags();
        add_cert();
        if (program.spool) add_spool();
        if (program.ledger) add_ledger();
        auto* version = app_.add_subcommand("version", "Print the version");
        version->callback([this] {
            action_ = [this] {
                std::cout << program_.name << ' ' << SALLYPORT_VERSION << '\n';
                return to_int(ExitCode::ok);
            };
        });
    }

    int run(int argc, const char* const* argv) {
        try {
            app_.parse(argc, argv);
        } catch (const CLI::ParseError& error) {
            const bool help = app_.exit(error) == to_int(ExitCode::ok);
            return to_int(help ? ExitCode::ok : ExitCode::usage);
        }
        return action_();
    }

private:
    void add_config_option(CLI::App& verb) {
        verb.add_option("-c,--config", arguments_.config, "Configuration file")
            ->capture_default_str();
    }

    void add_run() {
        auto* verb = app_.add_subcommand("run", "Run until SIGTERM");
        add_config_option(*verb);
        verb->callback([this] { action_ = [this] { return program_.run(arguments_.config); }; });
    }

    void add_check_config() {
        auto* verb = app_.add_subcommand("check-config", "Check the configuration file");
        add_config_option(*verb);
        auto* topic = verb->add_option("--topic", arguments_.topic,
                                       "Name the rules that decide on this topic");
        verb->callback([this, topic] {
            action_ = [this, has_topic = topic->count() > 0] {
                return check_config(program_, arguments_, has_topic);
            };
        });
    }

    void add_status() {
        auto* verb = app_.add_subcommand("status", "Ask the running agent how it is");
        add_config_option(*verb);
        auto* json = verb->add_flag("--json", arguments_.json, "Everything, as /status gives it");
        verb->add_flag("--numbers", arguments_.numbers, "Everything, a number a line")
            ->excludes(json);
        verb->add_flag("--watch", arguments_.watch, "Again every 2 s, until Ctrl-C");
        verb->callback([this] { action_ = [this] { return status(program_, arguments_); }; });
    }

    void add_tags() {
        auto* verb = app_.add_subcommand("tags", "Ask the running agent for its tags");
        add_config_option(*verb);
        verb->add_option("FILTER", arguments_.filter, "MQTT topic filter")->capture_default_str();
        verb->add_option("--limit", arguments_.limit, "At most this many")
            ->capture_default_str()
            ->check(CLI::PositiveNumber);
        verb->add_flag("--json", arguments_.json, "Print JSON");
        verb->callback([this] {
            action_ = [this] {
                return show_tags(program_.paths(arguments_.config).control_socket,
                                 arguments_.filter, arguments_.limit, arguments_.json);
            };
        });
    }

    void add_ledger() {
        auto* verb = app_.add_subcommand("ledger", "What was not handed over, and why");
        add_config_option(*verb);
        verb->add_flag("--json", arguments_.json, "Print JSON");
        verb->callback([this] {
            action_ = [this] { return program_.ledger(arguments_.config, arguments_.json); };
        });
    }

    void add_cert() {
        auto* cert = app_.add_subcommand("cert", "Request, install and inspect certificates");
        cert->require_subcommand(1);
        auto* request = cert->add_subcommand("request", "Make a key and a request to sign");
        request->add_option("--name", arguments_.name, "The agent's name")->required();
        request->add_option("--key", arguments_.key, "The key, made where absent")->required();
        request->add_option("--out", arguments_.out, "Where the request goes")->required();
        request->callback([this] {
            action_ = [this] {
                return cert_request(program_, arguments_.name, arguments_.key, arguments_.out);
            };
        });
        auto* install = cert->add_subcommand("install", "Check and put in place a certificate");
        add_config_option(*install);
        install->add_option("--cert", arguments_.cert, "The signed certificate")->required();
        install->add_option("--ca", arguments_.ca, "The authority's certificate")->required();
        install->callback([this] {
            action_ = [this] {
                return cert_install(program_, arguments_.config, arguments_.cert, arguments_.ca);
            };
        });
        auto* inspect = cert->add_subcommand("inspect", "Show what a certificate says");
        inspect->add_option("FILE", arguments_.file, "PEM file")->required();
        inspect->callback([this] { action_ = [this] { return cert_inspect(arguments_.file); }; });
    }

    CLI::App* add_spool_verb(CLI::App& spool, const std::string& name, const char* what) {
        auto* verb = spool.add_subcommand(name, what);
        add_config_option(*verb);
        verb->callback([this, name] {
            action_ = [this, name] {
                arguments_.spool.verb = name;
                arguments_.spool.config = arguments_.config;
                arguments_.spool.json = arguments_.json;
                return program_.spool(arguments_.spool);
            };
        });
        return verb;
    }

    void add_spool() {
        auto* spool = app_.add_subcommand("spool", "Look into the spool; nothing is changed");
        spool->require_subcommand(1);
        auto& given = arguments_.spool;
        for (const auto& [name, what] :
             {std::pair("stats", "How full it is, and what became of the records"),
              std::pair("ledger", "What is not delivered, and why"),
              std::pair("cursors", "How far each destination has come"),
              std::pair("verify", "Check every checksum and that no seq is missing")})
            add_spool_verb(*spool, name, what)->add_flag("--json", arguments_.json, "Print JSON");
        auto* records = add_spool_verb(*spool, "export", "Print records, a line of JSON each");
        records->add_option("--from-seq", given.from_seq, "First seq");
        records->add_option("--to-seq", given.to_seq, "Last seq");
        records->add_option("--since", given.since, "Earliest arrival, like 2026-01-31T12:00:00Z");
        records->add_option("--until", given.until, "Latest arrival");
    }

    const AgentProgram& program_;
    CLI::App app_;
    Arguments arguments_;
    std::function<int()> action_;
};

void complain(const AgentProgram& program, std::string_view text) {
    std::cerr << program.name << ": " << one_line(text) << '\n';
}

std::string with_advice(const std::system_error& error) {
    std::string text = error.what();
    if (error.code() == std::errc::address_in_use)
        text +=
            "; another process listens there: stop it, or choose another address in the "
            "configuration file";
    else if (error.code() == std::errc::address_not_available)
        text += "; no interface of this machine has that address";
    else if (error.code() == std::errc::permission_denied)
        text += "; this needs a user who may, or a port above 1023";
    return text;
}

int run_parsed(const AgentProgram& program, int argc, const char* const* argv) {
    const std::string_view verb = argc > 1 ? argv[1] : "";
    if (std::ranges::find(kLaterVerbs, verb) != kLaterVerbs.end()) {
        complain(program, "the verb " + std::string(verb) + " is not in this version");
        return to_int(ExitCode::usage);
    }
    return Parser(program).run(argc, argv);
}

}  // namespace

std::string default_config_path(const AgentProgram& program) {
    return "/etc/sallyport/" + program.name + ".toml";
}

int run_command_line(const AgentProgram& program, int argc, const char* const* argv) {
    auto code = ExitCode::failure;
    try {
        return run_parsed(program, argc, argv);
    } catch (const config::ConfigFailure& failure) {
        for (const auto& error : failure.errors())
            std::cerr << one_line(config::to_string(error)) << '\n';
        return to_int(ExitCode::configuration);
    } catch (const Failure& failure) {
        complain(program, failure.what());
        code = failure.code();
    } catch (const pki::StorageError& error) {
        complain(program, error.what());
        code = ExitCode::storage;
    } catch (const pki::PkiError& error) {
        complain(program, error.what());
        code = ExitCode::identity;
    } catch (const std::system_error& error) {
        complain(program, with_advice(error));
    } catch (const std::exception& error) {
        complain(program, error.what());
    }
    return to_int(code);
}

}  // namespace sallyport::ops
