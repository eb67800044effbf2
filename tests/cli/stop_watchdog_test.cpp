#include "cli/stop_watchdog.hpp"

#include <gtest/gtest.h>

#include <future>

namespace assay::cli {
namespace {

using namespace std::chrono_literals;

TEST(stop_watchdog, NamesWhoIsStillThereWhenThePatienceIsOver) {
  std::promise<std::string> said;
  stop_watchdog watchdog;
  watchdog.arm(
      1ms, [] { return std::string{"journal"}; }, [&](const std::string& who) { said.set_value(who); });
  EXPECT_EQ(said.get_future().get(), "journal");
}

TEST(stop_watchdog, SaysNothingWhenTheFarmHasEnded) {
  bool asked = false;
  {
    stop_watchdog watchdog;
    watchdog.arm(
        24h,
        [&] {
          asked = true;
          return std::string{};
        },
        [&](const std::string&) { asked = true; });
  }
  EXPECT_FALSE(asked);
}

TEST(stop_watchdog, NeedsNotBeArmed) { stop_watchdog watchdog; }

} // namespace
} // namespace assay::cli
