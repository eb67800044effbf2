#include "cli/exit_codes.hpp"

#include <gtest/gtest.h>

#include <string>

namespace assay::cli {
namespace {

TEST(exit_codes, FollowFromTheKindOfTheFault) {
  EXPECT_EQ(exit_code_of(errc::invalid_argument), exit_code::usage);
  EXPECT_EQ(exit_code_of(errc::malformed_input), exit_code::configuration);
  EXPECT_EQ(exit_code_of(errc::not_found), exit_code::not_found);
  EXPECT_EQ(exit_code_of(errc::credentials_rejected), exit_code::provider);
  EXPECT_EQ(exit_code_of(errc::connect_failed), exit_code::provider);
  EXPECT_EQ(exit_code_of(errc::store_locked), exit_code::store);
  EXPECT_EQ(exit_code_of(errc::internal), exit_code::internal);
}

TEST(exit_codes, AreNeverSuccessForAFault) {
  for (unsigned number = 1; number <= static_cast<unsigned>(errc::internal); ++number)
    EXPECT_NE(exit_code_of(static_cast<errc>(number)), exit_code::ok) << number;
}

TEST(exit_codes, AreAllDocumented) {
  const std::string help(exit_code_help());
  for (const int code : {0, 1, 2, 3, 4, 5, 6, 7, 8, 130})
    EXPECT_NE(help.find("\n  " + std::to_string(code) + " "), std::string::npos) << code;
}

} // namespace
} // namespace assay::cli
