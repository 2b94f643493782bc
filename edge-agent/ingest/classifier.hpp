// Which publishes are forwarded, and as what: the first [[forward]] rule whose filter matches
// decides.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/record/record.hpp"
#include "edge-agent/ingest/json_codec.hpp"
#include "edge-agent/ingest/quality_policy.hpp"
#include "edge-agent/spool/spool.hpp"

namespace sallyport::ingest {

/// What is promised for a forwarded record. `history`: every record, in order. `latest`: over a
/// slow or broken path the newest, which stands for those that it supersedes.
enum class DeliveryClass { history, latest };

/// One [[forward]] of the configuration.
struct ForwardRule {
    std::string filter;
    QualityPolicy quality{};
    std::optional<JsonPlaces> json{};  // nothing: payloads are opaque
    DeliveryClass delivery_class = DeliveryClass::history;
    bool ack_delivered = false;  // PUBACK and PUBREC wait for every destination
};

class Classifier {
public:
    /// Topics that matched no rule and are remembered as such; beyond, rules are tried anew each
    /// time.
    static constexpr std::size_t kRememberedMax = 100'000;

    Classifier(std::vector<ForwardRule> rules, spool::Spool& spool)
        : rules_(std::move(rules)), spool_(spool) {}

    /// The tag under which a publish on `topic` is forwarded; nothing where no rule matches, the
    /// topic is a `$` topic, or belongs to the agent. Tag 0: a rule matches, but the spool has no
    /// more tags to give.
    std::optional<record::TagId> classify(std::string_view topic);
    /// The number of the rule that decided on a tag that classify() gave.
    std::size_t rule_of_tag(record::TagId tag) const { return rule_by_tag_[tag]; }
    /// The class of a tag, also of one that no publish has classified since the start.
    DeliveryClass class_of_tag(record::TagId tag) const;
    /// The number of the rule that decides on a topic.
    std::optional<std::size_t> rule_of(std::string_view topic) const;

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    std::vector<ForwardRule> rules_;
    spool::Spool& spool_;
    std::unordered_map<std::string, std::optional<record::TagId>, Hash, std::equal_to<>> known_;
    std::vector<std::uint32_t> rule_by_tag_;
};

}  // namespace sallyport::ingest
