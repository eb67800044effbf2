#include "storage/keys.hpp"

#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

namespace assay::storage {
namespace {

TEST(keys, AreBigEndianInTheDocumentedOrder) {
  const run_id run{0x01020304U, 0x05060708U};
  const sample_address address{0x1112, 0x2122, 0x31323334, 0x4142, 0x5152, 0x6162};
  EXPECT_EQ(
      response_key(run, address, 0x7172).view(),
      "\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x21\x22\x31\x32\x33\x34\x41\x42\x51\x52\x61\x62\x71\x72");
  EXPECT_EQ(sample_key(run, address).view(), response_key(run, address, 0).view().substr(0, 22));
  EXPECT_EQ(event_key(run, 0x0102).view(), std::string_view("\1\2\3\4\5\6\7\x08\0\0\0\0\0\0\1\2", 16));
}

TEST(keys, OrderAsTheirValuesDo) {
  testing::number_source numbers(1);
  const auto random_address = [&] {
    return sample_address{
        static_cast<uint16_t>(numbers.below(3)),      static_cast<uint16_t>(numbers.below(300)),
        static_cast<uint32_t>(numbers.below(70'000)), static_cast<uint16_t>(numbers.below(3)),
        static_cast<uint16_t>(numbers.below(3)),      static_cast<uint16_t>(numbers.below(3))};
  };
  for (int i = 0; i < 10'000; ++i) {
    const run_id run_a{numbers.below(3)};
    const run_id run_b{numbers.below(3)};
    const auto a = random_address();
    const auto b = random_address();
    const bool below = run_a < run_b || (run_a == run_b && a < b);
    EXPECT_EQ(sample_key(run_a, a).view() < sample_key(run_b, b).view(), below);
  }
}

TEST(keys, AreTakenApartAgain) {
  const run_id run{77U, 88U};
  const sample_address address{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(parse_run_key(run_key(run)), run);
  EXPECT_EQ(parse_sample_key(sample_key(run, address))->address, address);
  EXPECT_EQ(parse_response_key(response_key(run, address, 9))->address, address);
  EXPECT_EQ(parse_response_key(response_key(run, address, 9))->attempt, 9);
  EXPECT_EQ(parse_event_key(event_key(run, 12))->seq, 12U);
  EXPECT_FALSE(parse_sample_key("short"));
  EXPECT_FALSE(parse_response_key(sample_key(run, address)));
  EXPECT_FALSE(parse_run_key(""));
  EXPECT_FALSE(parse_event_key(run_key(run)));
}

} // namespace
} // namespace assay::storage
