#include "deploy/ca/passphrase.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace sallyport::ca {
namespace {

std::string first_line_of(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    if (!file || !std::getline(file, line))
        throw pki::PkiError("cannot read a passphrase from " + path +
                            "; put it on the file's first line");
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty())
        throw pki::PkiError("the first line of " + path + " is empty; put the passphrase there");
    return line;
}

std::string ask(const std::string& question, bool twice) {
    if (::isatty(STDIN_FILENO) == 0)
        throw pki::PkiError("no terminal to ask for the passphrase on; give --passphrase-file");
    constexpr int kShortest = 8;
    std::array<char, 1024> answer{};
    const int failed =
        EVP_read_pw_string_min(answer.data(), twice ? kShortest : 1,
                               static_cast<int>(answer.size()), question.c_str(), twice ? 1 : 0);
    std::string passphrase{answer.data()};
    OPENSSL_cleanse(answer.data(), answer.size());
    if (failed != 0 || passphrase.empty())
        throw pki::PkiError(
            "no passphrase was given (twice the same, at least 8 characters, for a "
            "new key); try again");
    return passphrase;
}

bool is_encrypted(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    return std::getline(file, line) && line.find("ENCRYPTED") != std::string::npos;
}

}  // namespace

std::string passphrase_for_new_key(const PassphraseSource& source) {
    if (!source.file.empty()) return first_line_of(source.file);
    return source.encrypt ? ask("Passphrase for the new CA key: ", true) : std::string{};
}

std::string passphrase_for_key_in(const std::string& dir, const PassphraseSource& source) {
    const auto path = (std::filesystem::path(dir) / "ca.key").string();
    if (!is_encrypted(path)) return {};
    if (!source.file.empty()) return first_line_of(source.file);
    return ask("Passphrase of " + path + ": ", false);
}

}  // namespace sallyport::ca
