#include "common/ops/command_line.hpp"

#include <iostream>
#include <sstream>
#include <system_error>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "common/config/config_error.hpp"
#include "common/ops/control_socket.hpp"
#include "common/pki/certificate.hpp"
#include "tests/unit/ops/scratch_dir.hpp"

namespace sallyport::ops {
namespace {

/// Takes what goes to std::cout and std::cerr while it lives.
class Captured {
public:
    Captured() : cout_(std::cout.rdbuf(out_.rdbuf())), cerr_(std::cerr.rdbuf(err_.rdbuf())) {}
    Captured(const Captured&) = delete;
    Captured& operator=(const Captured&) = delete;
    ~Captured() {
        std::cout.rdbuf(cout_);
        std::cerr.rdbuf(cerr_);
    }
    std::string out() const { return out_.str(); }
    std::string err() const { return err_.str(); }

private:
    std::ostringstream out_, err_;
    std::streambuf *cout_, *cerr_;
};

struct Outcome {
    int code = -1;
    std::string out, err;
};
Outcome run(const AgentProgram& program, std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), program.name.c_str());
    const Captured captured;
    Outcome outcome;
    outcome.code = run_command_line(program, static_cast<int>(arguments.size()), arguments.data());
    outcome.out = captured.out();
    outcome.err = captured.err();
    return outcome;
}

AgentProgram program() {
    AgentProgram agent;
    agent.name = "edge-agent";
    agent.role = base::Role::edge;
    agent.run = [](const std::string&) { return 0; };
    agent.check = [](const std::string&, const std::optional<std::string>&) {
        return CheckReport{};
    };
    agent.paths = [](const std::string&) { return AgentPaths{}; };
    return agent;
}

AgentPaths paths_with_socket(const std::string& path) {
    AgentPaths paths;
    paths.control_socket = path;
    return paths;
}

template <class Error>
AgentProgram failing_with(const Error& error) {
    auto agent = program();
    agent.run = [error](const std::string&) -> int { throw error; };
    return agent;
}

bool mentions(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

TEST(CommandLine, RunsWithTheGivenFileOrTheDefaultOne) {
    std::vector<std::string> files;
    auto agent = program();
    agent.run = [&](const std::string& file) {
        files.push_back(file);
        return 0;
    };
    EXPECT_EQ(run(agent, {"run"}).code, 0);
    EXPECT_EQ(run(agent, {"run", "-c", "x.toml"}).code, 0);
    EXPECT_EQ(files, (std::vector<std::string>{"/etc/sallyport/edge-agent.toml", "x.toml"}));
}

TEST(CommandLine, GivesTheExitCodeOfRun) {
    auto agent = program();
    agent.run = [](const std::string&) { return 5; };
    EXPECT_EQ(run(agent, {"run"}).code, 5);
}

TEST(CommandLine, EndsWithTwoWhereItIsNotUnderstood) {
    for (const std::vector<const char*>& arguments : {std::vector<const char*>{},
                                                      {"walk"},
                                                      {"run", "-x"},
                                                      {"cert"},
                                                      {"cert", "inspect"},
                                                      {"cert", "request", "--name", "a"}})
        EXPECT_EQ(run(program(), arguments).code, 2);
    EXPECT_EQ(run(program(), {"cert", "request", "--name", "A B", "--key", "k", "--out", "o"}).code,
              2);
    EXPECT_EQ(run(program(), {"--help"}).code, 0);
}

TEST(CommandLine, NamesTheVerbsOfLaterVersions) {
    const auto outcome = run(program(), {"doctor"});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.err, "edge-agent: the verb doctor is not in this version\n");
}

TEST(CommandLine, PrintsTheVersion) {
    EXPECT_EQ(run(program(), {"version"}).out, "edge-agent " SALLYPORT_VERSION "\n");
}

TEST(CommandLine, PrintsWarningsAndDecisionsOfACheck) {
    auto agent = program();
    agent.check = [](const std::string& file, const std::optional<std::string>& topic) {
        EXPECT_EQ(file, "x.toml");
        return CheckReport{{"nothing leaves"}, {"topic " + topic.value_or("none")}};
    };
    EXPECT_EQ(run(agent, {"check-config", "-c", "x.toml", "--topic", "a/b"}).out,
              "warning: nothing leaves\ntopic a/b\nx.toml: ok\n");
    EXPECT_TRUE(mentions(run(agent, {"check-config", "-c", "x.toml"}).out, "topic none"));
}

TEST(CommandLine, PrintsEveryConfigurationErrorOnItsLine) {
    auto agent = program();
    agent.check = [](const std::string&, const std::optional<std::string>&) -> CheckReport {
        throw config::ConfigFailure({{"x.toml", 3, "one"}, {"x.toml", 4, "two"}});
    };
    const auto outcome = run(agent, {"check-config"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_EQ(outcome.err, "x.toml:3: one\nx.toml:4: two\n");
}

TEST(CommandLine, MapsErrorsToExitCodes) {
    EXPECT_EQ(run(failing_with(pki::PkiError("x")), {"run"}).code, 4);
    EXPECT_EQ(run(failing_with(pki::StorageError("x")), {"run"}).code, 7);
    EXPECT_EQ(run(failing_with(Failure(ExitCode::storage, "x")), {"run"}).code, 7);
    EXPECT_EQ(run(failing_with(Failure(ExitCode::denied, "x")), {"run"}).code, 6);
    EXPECT_EQ(run(failing_with(std::runtime_error("x\ny")), {"run"}).code, 1);
    EXPECT_EQ(run(failing_with(std::runtime_error("x\ny")), {"run"}).err, "edge-agent: x\\x0ay\n");
}

TEST(CommandLine, SaysWhatToDoAboutAnAddressInUse) {
    const std::system_error error(std::make_error_code(std::errc::address_in_use),
                                  "cannot listen on 127.0.0.1:1883");
    const auto outcome = run(failing_with(error), {"run"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_TRUE(mentions(outcome.err, "127.0.0.1:1883")) << outcome.err;
    EXPECT_TRUE(mentions(outcome.err, "choose another address")) << outcome.err;
}

TEST(CommandLine, StatusIsUnreachableWhereTheAgentDoesNotRun) {
    auto agent = program();
    agent.paths = [](const std::string&) { return paths_with_socket("/nonexistent/s"); };
    const auto outcome = run(agent, {"status"});
    EXPECT_EQ(outcome.code, 5);
    EXPECT_TRUE(mentions(outcome.err, "the agent is not running")) << outcome.err;
}

TEST(CommandLine, StatusPrintsTheAgentsAnswerForPeopleOrAsItIs) {
    const ScratchDir scratch;
    const auto path = scratch.file("control.sock");
    boost::asio::io_context io;
    const ControlSocket server(io, path, [](std::string_view verb) {
        if (verb == "page") return std::string("all is well");
        return R"({"asked":")" + std::string(verb) + R"("})";
    });
    std::thread running([&io] { io.run(); });
    auto agent = program();
    agent.paths = [&](const std::string&) { return paths_with_socket(path); };
    EXPECT_EQ(run(agent, {"status"}).out, "all is well\n");
    EXPECT_EQ(run(agent, {"status", "--numbers"}).out, "asked: status\n");
    EXPECT_EQ(run(agent, {"status", "--numbers", "--json"}).code, 2);
    EXPECT_EQ(run(agent, {"status", "--json"}).out, "{\"asked\":\"status\"}\n");
    io.stop();
    running.join();
}

TEST(CommandLine, CertRequestMakesAKeyAndARequestAndTellsTheNextStep) {
    const ScratchDir scratch;
    const auto key = scratch.file("agent.key"), csr = scratch.file("line3.csr");
    const auto outcome = run(program(), {"cert", "request", "--name", "line3", "--key", key.c_str(),
                                         "--out", csr.c_str()});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(mentions(outcome.out,
                         "sallyport-ca sign --dir CA --role edge --name line3 --out "
                         "line3.crt line3.csr"))
        << outcome.out;
    EXPECT_TRUE(std::filesystem::exists(key));
    EXPECT_TRUE(std::filesystem::exists(csr));
}

TEST(CommandLine, CertInspectOfNoCertificateIsAnIdentityError) {
    EXPECT_EQ(run(program(), {"cert", "inspect", "/nonexistent.crt"}).code, 4);
}

TEST(CommandLine, CertInstallNeedsATlsSection) {
    const auto outcome = run(program(), {"cert", "install", "--cert", "a", "--ca", "b"});
    EXPECT_EQ(outcome.code, 3);
    EXPECT_TRUE(mentions(outcome.err, "no [tls] section")) << outcome.err;
}

}  // namespace
}  // namespace sallyport::ops
