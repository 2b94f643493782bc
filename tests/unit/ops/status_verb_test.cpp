#include "common/ops/status_verb.hpp"

#include <gtest/gtest.h>

namespace sallyport::ops {
namespace {

TEST(StatusVerb, PaintsOverWhatStoodThereWithoutClearingFirst) {
    EXPECT_EQ(repaint("ab\ncd\n", {24, 80}), "\x1b[Hab\x1b[K\ncd\x1b[K\n\x1b[J");
}

TEST(StatusVerb, CutsWhatTheWindowCannotHold) {
    EXPECT_EQ(repaint("→→→→\nb\nc\n", {3, 2}), "\x1b[H→→\x1b[K\nb\x1b[K\n\x1b[J");
    EXPECT_EQ(repaint("a", {24, 80}), "\x1b[Ha\x1b[K\n\x1b[J");
    EXPECT_EQ(repaint("", {24, 80}), "\x1b[H\x1b[J");
}

}  // namespace
}  // namespace sallyport::ops
