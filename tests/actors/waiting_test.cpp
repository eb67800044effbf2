#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using testing::HasSubstr;
using namespace std::chrono_literals;

/// A run whose calls cannot go out says so, and why.
class waiting_calls : public farm_world {
protected:
  size_t log_events(run_id id, const std::string& text) {
    const auto& all = store->events[id];
    return static_cast<size_t>(std::ranges::count_if(all, [&](const event& one) {
      return one.type == event_type::log && one.data.view().find(text) != std::string_view::npos;
    }));
  }

  void nobody_answers() {
    wire.respond = [](const http_request&) {
      return std::optional{fake_wire::broken(0, errc::connect_failed, false)};
    };
  }

  void everything_is_right() {
    wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  }
};

TEST_F(waiting_calls, AreExplainedWhileTheProviderDoesNotAnswer) {
  cap = 40;
  nobody_answers();
  start_farm();
  const auto id = submit(200);
  advance(20s);
  ASSERT_EQ(find(id).state, run_state::running);
  EXPECT_THAT(find(id).waiting_for, testing::AllOf(HasSubstr(test::the_provider.value), HasSubstr("broken")));
  EXPECT_GE(log_events(id, "calls wait"), 1u);
  everything_is_right();
  advance(3min, 100ms);
  EXPECT_EQ(find(id).waiting_for, "");
  EXPECT_GE(log_events(id, "answered again"), 1u);
}

TEST_F(waiting_calls, AreExplainedWhileTheProviderAsksToWait) {
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::failure(0, 429, {{"retry-after", "60"}}, "rate_limit_exceeded")};
  };
  start_farm();
  const auto id = submit(40);
  advance(2s);
  EXPECT_THAT(find(id).waiting_for, HasSubstr("429"));
  everything_is_right();
  advance(3min, 100ms);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(find(id).waiting_for, "");
}

TEST_F(waiting_calls, DoNotFillTheStoredLog) {
  int number = 0;
  wire.respond = [&](const http_request&) {
    return std::optional{++number % 2 == 0
                             ? fake_wire::answer(0, "right")
                             : fake_wire::failure(0, 429, {{"retry-after", "5"}}, "rate_limit_exceeded")};
  };
  cap = 1;
  start_farm();
  const auto id = submit(100);
  advance(20min, 100ms);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_LE(store->events[id].size(), 50u);
}

TEST_F(waiting_calls, AreExplainedOnceHoweverOftenOneIsTried) {
  cap = 40;
  nobody_answers();
  start_farm();
  const auto id = submit(200);
  size_t changes = 0;
  bool waited = false;
  for (int i = 0; i < 250; ++i) {
    advance(100ms);
    const bool waits = !find(id).waiting_for.empty();
    changes += waits != waited ? 1 : 0;
    waited = waits;
  }
  ASSERT_EQ(find(id).state, run_state::running);
  EXPECT_GE(changes, 1u);
  EXPECT_EQ(log_events(id, "calls wait"), 1u) << "a try that fails is no new wait";
  EXPECT_EQ(log_events(id, "answered again"), 0u);
  everything_is_right();
  advance(3min, 100ms);
  EXPECT_GE(log_events(id, "answered again"), 1u);
}

TEST_F(waiting_calls, AreNotExplainedOverAndOverAgain) {
  cap = 40;
  nobody_answers();
  start_farm();
  const auto id = submit(400);
  advance(4s);
  const auto before = log_events(id, "calls wait");
  advance(500ms);
  EXPECT_EQ(log_events(id, "calls wait"), before);
  EXPECT_LE(before, 2u);
}

} // namespace
} // namespace assay
