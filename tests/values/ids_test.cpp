#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/money.hpp"

#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(run_id, IsWrittenAsTenDigitsAndEightHexDigits) {
  const run_id id{1234567890U, 0xabcd1234U};
  EXPECT_EQ(to_string(id), "eval_1234567890_abcd1234");
  EXPECT_EQ(run_id_from_string("eval_1234567890_abcd1234"), id);
}

TEST(run_id, HasOneSpellingOnly) {
  for (const auto* text :
       {"", "eval_", "eval_1234567890_ABCD1234", "eval_+234567890_abcd1234", "eval_1234567890-abcd1234",
        "eval_1234567890_abcd123", "eval_1234567890_abcd12345", "run__1234567890_abcd1234",
        "eval_9999999999_abcd1234", "eval_0000000000_00000000"})
    EXPECT_FALSE(run_id_from_string(text)) << text;
}

TEST(run_id, OrdersByCreation) { EXPECT_LT((run_id{1U, 0xFFFFFFFFU}), (run_id{2U, 0U})); }

TEST(caller_id, AllowsOnlyHarmlessCharacters) {
  EXPECT_TRUE(is_caller_id("job-1.a_B"));
  EXPECT_TRUE(is_caller_id(std::string(128, 'a')));
  EXPECT_FALSE(is_caller_id(""));
  EXPECT_FALSE(is_caller_id(std::string(129, 'a')));
  EXPECT_FALSE(is_caller_id("../x"));
  EXPECT_FALSE(is_caller_id("a b"));
  EXPECT_FALSE(is_caller_id("\xC3\xA9"));
}

TEST(errc, EveryCodeHasANameThatLeadsBack) {
  int named = 0;
  for (int number = 1; number <= static_cast<int>(errc::internal); ++number) {
    const auto code = static_cast<errc>(number);
    if (to_string(code) == "unknown")
      continue;
    ++named;
    EXPECT_EQ(errc_from_string(to_string(code)), code);
  }
  EXPECT_EQ(named, 38);
  EXPECT_EQ(errc_from_string("no such name"), errc::internal);
}

TEST(fault, SaysWhereWhatAndWhatToDo) {
  const fault value{errc::invalid_argument, "is negative", "limit", "use 0 or more"};
  EXPECT_EQ(to_string(value), "limit: is negative (use 0 or more)");
  EXPECT_EQ(to_string(fault{errc::busy, "", "", ""}), "busy");
}

TEST(fault, ThrowsFromAResultThatNobodyChecked) {
  const result<int> failed{fault{errc::not_found, "no such run", "", ""}};
  EXPECT_THROW((void)failed.value(), fault_exception);
}

TEST(money, KeepsBillionthsOfADollar) {
  EXPECT_EQ(from_dollars(0.00000025).nanodollars, 250);
  EXPECT_DOUBLE_EQ(to_dollars(money{1'500'000'000}), 1.5);
  EXPECT_EQ(to_string(money{1'500'000'000}), "$1.50");
  EXPECT_EQ(to_string(money{12'300'000}), "$0.0123");
  EXPECT_EQ(to_string(money{250}), "$0.000000250");
}

} // namespace
} // namespace assay
