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

run_record run_in(run_state state, std::optional<errc> error = std::nullopt) {
  run_record out;
  out.state = state;
  if (error)
    out.error = fault{*error, "a reason", {}, {}};
  return out;
}

TEST(exit_codes, OfRunsSayWhoseFaultItWas) {
  const auto done = run_in(run_state::completed);
  const auto cancelled = run_in(run_state::cancelled);
  const auto plain = run_in(run_state::failed);
  const auto late = run_in(run_state::failed, errc::time_limit_reached);
  const auto unknown = run_in(run_state::failed, errc::internal);
  const auto refused = run_in(run_state::failed, errc::credentials_rejected);
  const auto down = run_in(run_state::failed, errc::provider_unavailable);
  const auto changed = run_in(run_state::failed, errc::dataset_changed);
  const auto full = run_in(run_state::failed, errc::store_full);
  EXPECT_EQ(exit_code_of({&done}), exit_code::ok);
  EXPECT_EQ(exit_code_of({&done, &cancelled}), exit_code::ended_early);
  EXPECT_EQ(exit_code_of({&plain}), exit_code::failed);
  EXPECT_EQ(exit_code_of({&late}), exit_code::failed);
  EXPECT_EQ(exit_code_of({&unknown}), exit_code::failed) << "some sample failed for some reason";
  EXPECT_EQ(exit_code_of({&changed}), exit_code::configuration);
  EXPECT_EQ(exit_code_of({&full}), exit_code::store);
  EXPECT_EQ(exit_code_of({&done, &refused, &cancelled, &down}), exit_code::provider);
  EXPECT_EQ(exit_code_of({&refused, &late}), exit_code::failed) << "two reasons";
}

TEST(exit_codes, OfRunsCountFailedSamplesWhenStrict) {
  auto some = run_in(run_state::completed);
  some.progress.failed = 1;
  EXPECT_EQ(exit_code_of({&some}), exit_code::ok);
  EXPECT_EQ(exit_code_of({&some}, true), exit_code::failed);
}

TEST(exit_codes, AreAllDocumented) {
  const std::string help(exit_code_help());
  for (const int code : {0, 1, 2, 3, 4, 5, 6, 7, 8, 130})
    EXPECT_NE(help.find("\n  " + std::to_string(code) + " "), std::string::npos) << code;
}

} // namespace
} // namespace assay::cli
