// Where the CA key's passphrase comes from.
#pragma once

#include <string>

#include "deploy/ca/verbs.hpp"

namespace sallyport::ca {

/// For a new key: empty where the source asks for none.
std::string passphrase_for_new_key(const PassphraseSource& source);

/// For the key in `dir`: empty where it is not encrypted; asked on the terminal where no file is
/// given.
std::string passphrase_for_key_in(const std::string& dir, const PassphraseSource& source);

}  // namespace sallyport::ca
