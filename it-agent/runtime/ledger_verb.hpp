// `it-agent ledger`: what is not handed over and why, from the running agent, or from its store
// where nobody answers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/record/ledger.hpp"

namespace sallyport::it_agent {

constexpr std::size_t kLedgerPageRowsMax = 1000;

/// "ledger AFTER", with the id behind which the page begins; nothing where it is no such question.
std::optional<std::uint64_t> parse_ledger_question(std::string_view question);
/// The answer: a page of rows, and where the next begins. `next` is absent on the last.
std::string ledger_answer(const std::vector<record::LedgerRow>& page);

/// Prints all of it; gives the exit code. Throws config::ConfigFailure and ops::Failure.
int show_ledger(const std::string& config_path, bool as_json);

}  // namespace sallyport::it_agent
