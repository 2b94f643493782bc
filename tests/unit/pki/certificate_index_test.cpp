#include "common/pki/certificate_index.hpp"

#include "tests/unit/pki/fixture.hpp"

namespace sallyport::pki {
namespace {

TEST(CertificateIndex, ReadsBackWhatItWrote) {
    const std::vector<IssuedCertificate> written{
        {"0a1b", base::Role::edge, "line3", kNow, kNow + 397 * kDay, "00ff", "replaced"},
        {"0a1c", base::Role::server, "mqtt3", kNow, kNow + kDay, "01ff", "valid"}};
    const auto read = parse_index(format_index(written), "index");
    ASSERT_EQ(read.size(), 2U);
    EXPECT_EQ(format_index(read), format_index(written));
    EXPECT_EQ(read[0].name, "line3");
    EXPECT_EQ(read[0].not_after, kNow + 397 * kDay);
}

TEST(CertificateIndex, NamesTheDamagedLine) {
    const auto good =
        format_index({{"0a1b", base::Role::edge, "line3", kNow, kNow + kDay, "00ff", "valid"}});
    for (const auto& [from, to] :
         {std::pair{"line3", "Line3"}, std::pair{"edge", "boss"}, std::pair{"valid", "fine"},
          std::pair{"2026-01-02", "2026-02-30"}, std::pair{"0a1b", "xyz"},
          std::pair{"\t00ff", " 00ff"}}) {
        auto bad = good;
        bad.replace(bad.find(from), std::string_view(from).size(), to);
        EXPECT_NE(refusal_of([&] { parse_index(bad, "index"); }).find("index line 2 is damaged"),
                  std::string::npos)
            << bad;
    }
}

}  // namespace
}  // namespace sallyport::pki
