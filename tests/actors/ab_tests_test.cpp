#include "actors/experiments/ab_test_supervisor.hpp"
#include "actors/monitoring/event_hub.hpp"
#include "actors/supervision/journal.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_farm.hpp"
#include "tests/support/listener.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace assay {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const user_id alice{"alice"};
const user_id bob{"bob"};

class ab_tests_test : public test::actor_test {
protected:
  void SetUp() override { begin(); }

  /// Starts the supervisor, as the farm does after a stop.
  void begin() {
    journal_config writing;
    writing.writer = store;
    journal_ = spawn(journal, writing);
    ab_test_supervisor_config config;
    config.journal = journal_;
    hub_ = spawn(event_hub, event_hub_config{});
    config.event_hub = hub_;
    config.workers = workers;
    config.wall = [this] { return wall_; };
    config.read.tests = [this] {
      ab_tests_recalled out;
      for (const auto& [key, text] : store->documents)
        if (key.starts_with("ab_tests/"))
          out.records.push_back(text);
      return out;
    };
    config.read.observations = [this](const std::string& prefix, const auto& send) {
      ab_observations_recalled out;
      for (const auto& [key, text] : store->documents)
        if (key.starts_with("ab_observations/" + prefix))
          out.rows.push_back(text);
      out.last = true;
      send(std::move(out));
    };
    supervisor_ = spawn(ab_test_supervisor, std::move(config));
    run();
  }

  void end() {
    kill(supervisor_);
    kill(journal_);
  }

  static ask_ab_test question(ab_verb verb, const json& body = nullptr, const user_id& who = alice) {
    ask_ab_test out;
    out.verb = verb;
    out.test = "t";
    out.body = body.is_null() ? std::string{} : body.dump();
    out.who = who;
    return out;
  }

  result<ab_answer> put(const ask_ab_test& wish) { return ask<ab_answer>(supervisor_, wish); }

  json answer(ab_verb verb, const json& body = nullptr) {
    const auto heard = put(question(verb, body));
    EXPECT_TRUE(heard) << (heard ? "" : to_string(heard.error()));
    return heard ? json::parse(heard->text) : json::object();
  }

  static json written() {
    return {{"test_id", "t"},
            {"variants", {{"a", {{"temperature", 0.1}}}, {"b", {{"temperature", 0.9}}}}},
            {"minimum_samples", 10},
            {"max_duration_hours", 2}};
  }

  static json seen(const char* variant, double quality) {
    return {{"variant", variant}, {"quality", quality}};
  }

  void observe_both(int times) {
    json all = json::array();
    for (int i = 0; i < times; ++i) {
      all.push_back(seen("a", 0.1));
      all.push_back(seen("b", 0.9));
    }
    answer(ab_verb::observe, {{"observations", all}});
  }

  ab_test_actor keeper() { return state_of<ab_test_supervisor_state>(supervisor_).tests.at("t").child; }

  bool supervisor_is_there() { return ask<gauges>(supervisor_, read_gauges{}).has_value(); }

  std::shared_ptr<test::fake_store> store = std::make_shared<test::fake_store>();
  std::shared_ptr<test::inline_executor> workers = std::make_shared<test::inline_executor>();
  wall_time wall_{std::chrono::seconds{1'704'110'400}};
  journal_actor journal_;
  event_hub_actor hub_;
  ab_test_supervisor_actor supervisor_;
};

TEST_F(ab_tests_test, ATestGoesItsWay) {
  EXPECT_EQ(answer(ab_verb::create, written()).at("state"), "created");
  EXPECT_EQ(put(question(ab_verb::observe, seen("a", 1))).error().code, errc::invalid_transition);
  EXPECT_EQ(answer(ab_verb::start).at("state"), "running");
  EXPECT_EQ(answer(ab_verb::start).at("version"), 2) << "idempotent";
  EXPECT_EQ(put(question(ab_verb::best_configuration)).error().code, errc::not_found);
  observe_both(30);
  EXPECT_EQ(answer(ab_verb::analyze).at("winner"), "b");
  EXPECT_EQ(answer(ab_verb::best_configuration).at("configuration").at("temperature"), 0.9);
  EXPECT_EQ(answer(ab_verb::pause).at("state"), "paused");
  EXPECT_EQ(put(question(ab_verb::observe, seen("a", 1))).error().code, errc::invalid_transition);
  EXPECT_EQ(answer(ab_verb::stop).at("state"), "stopped");
  run();
  EXPECT_EQ(answer(ab_verb::analyze).at("winner"), "b") << "kept with the test";
  EXPECT_EQ(answer(ab_verb::best_configuration).at("variant"), "b");
  EXPECT_EQ(put(question(ab_verb::start)).error().code, errc::invalid_transition);
}

TEST_F(ab_tests_test, NothingIsAnsweredBeforeItIsDurable) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  store->hold = true;
  EXPECT_EQ(put(question(ab_verb::observe, seen("a", 1))).error().code, errc::deadline_exceeded);
  store->hold = false;
  store->commit();
  run();
}

TEST_F(ab_tests_test, GoesOnAfterARestartWithEveryObservation) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  observe_both(30);
  const auto drawn = answer(ab_verb::select);
  const auto before = answer(ab_verb::analyze);
  end();
  begin();
  EXPECT_EQ(answer(ab_verb::analyze), before);
  EXPECT_EQ(answer(ab_verb::show).at("selections").at("drawn").at(drawn.at("variant").get<std::string>()), 1);
  observe_both(1);
  EXPECT_EQ(answer(ab_verb::show).at("total_samples"), 62);
}

TEST_F(ab_tests_test, AWriteThatFailsLeavesWhatTheStoreHas) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  store->broken = fault{errc::too_large, "more than the store takes at once", {}, {}};
  EXPECT_FALSE(put(question(ab_verb::observe, seen("a", 1))));
  store->broken.reset();
  advance(1s);
  EXPECT_EQ(answer(ab_verb::show).at("total_samples"), 0);
  observe_both(1);
  EXPECT_EQ(answer(ab_verb::show).at("total_samples"), 2);
}

TEST_F(ab_tests_test, EndsWhenItsTimeHasPassed) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  wall_ += std::chrono::hours{2};
  advance(3s);
  const auto shown = answer(ab_verb::show);
  EXPECT_EQ(shown.at("state"), "completed");
  EXPECT_EQ(shown.at("ended_because"), "max_duration_hours have passed");
}

TEST_F(ab_tests_test, EndsAtItsTimeAlsoWhenTheFarmWasAway) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  end();
  wall_ += std::chrono::hours{2};
  begin();
  EXPECT_EQ(answer(ab_verb::show).at("state"), "completed");
}

TEST_F(ab_tests_test, EndsAtItsTimeLongAfterARestart) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  end();
  begin();
  advance(10s);
  EXPECT_EQ(answer(ab_verb::show).at("state"), "running");
  wall_ += std::chrono::hours{2};
  advance(2s);
  EXPECT_EQ(answer(ab_verb::show).at("state"), "completed");
}

TEST_F(ab_tests_test, WhatIsNewIsToldAtMostOnceASecond) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  const auto ear = spawn(test::listener);
  ASSERT_TRUE(ask<subscribed>(hub_, subscribe{ab_test_channel("t"), ear}));
  advance(2s);
  auto& frames = state_of<test::listener_state>(ear).frames;
  frames.clear();
  for (int i = 0; i < 3; ++i)
    observe_both(1);
  EXPECT_TRUE(frames.empty());
  advance(1100ms);
  EXPECT_EQ(frames.size(), 1U);
}

TEST_F(ab_tests_test, ATestThatFallsGoesOnByItself) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  observe_both(2);
  kill(keeper());
  EXPECT_EQ(put(question(ab_verb::show)).error().code, errc::busy);
  advance(1s);
  EXPECT_EQ(answer(ab_verb::show).at("total_samples"), 4);
  observe_both(1);
  EXPECT_EQ(answer(ab_verb::show).at("total_samples"), 6);
}

TEST_F(ab_tests_test, WhatWasOnItsWayToTheStoreWhenATestFellCounts) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  observe_both(1);
  store->hold = true;
  EXPECT_EQ(put(question(ab_verb::observe, seen("a", 1))).error().code, errc::deadline_exceeded);
  kill(keeper());
  advance(1s);
  store->hold = false;
  store->commit();
  run();
  EXPECT_EQ(answer(ab_verb::show).at("total_samples"), 3);
  observe_both(1);
  EXPECT_EQ(answer(ab_verb::show).at("total_samples"), 5);
  EXPECT_EQ(std::ranges::count_if(store->documents,
                                  [](const auto& row) { return row.first.starts_with("ab_observations/"); }),
            5);
}

TEST_F(ab_tests_test, TestsWaitForAStoreThatIsSlow) {
  answer(ab_verb::create, written());
  end();
  store->hold = true;
  begin();
  advance(12s, 50ms);
  EXPECT_EQ(put(question(ab_verb::show)).error().code, errc::busy) << "they are being read";
  store->hold = false;
  store->commit();
  advance(2s);
  EXPECT_EQ(answer(ab_verb::show).at("state"), "created");
}

TEST_F(ab_tests_test, ATestThatFallsAgainAndAgainEndsItsSupervisor) {
  answer(ab_verb::create, written());
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(supervisor_is_there()) << i;
    kill(keeper());
    advance(1500ms);
  }
  EXPECT_FALSE(supervisor_is_there()) << "the root starts it again";
}

TEST_F(ab_tests_test, TheTestsEndWithTheirSupervisor) {
  answer(ab_verb::create, written());
  const auto all = sys.registry().running();
  kill(supervisor_);
  EXPECT_EQ(sys.registry().running(), all - 2U);
}

TEST_F(ab_tests_test, StopsByItselfWhenAskedToOnceItIsDecided) {
  auto test = written();
  test["stop_when_decided"] = true;
  answer(ab_verb::create, test);
  answer(ab_verb::start);
  observe_both(50);
  run();
  EXPECT_EQ(answer(ab_verb::show).at("state"), "completed");
}

TEST_F(ab_tests_test, AListIsRecordedWhollyOrNotAtAll) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  const auto heard = put(question(ab_verb::observe, {{"observations", {seen("a", 1), seen("nobody", 1)}}}));
  ASSERT_FALSE(heard);
  EXPECT_EQ(heard.error().where, "observations[1].variant");
  EXPECT_EQ(answer(ab_verb::show).at("total_samples"), 0);
}

TEST_F(ab_tests_test, AStaleVersionChangesNothing) {
  answer(ab_verb::create, written());
  auto wish = question(ab_verb::start);
  wish.version = 7;
  EXPECT_EQ(put(wish).error().code, errc::conflict);
  EXPECT_EQ(answer(ab_verb::show).at("state"), "created");
  wish.version = 1;
  EXPECT_TRUE(put(wish));
}

TEST_F(ab_tests_test, BelongsToItsOwner) {
  answer(ab_verb::create, written());
  EXPECT_EQ(put(question(ab_verb::show, nullptr, bob)).error().code, errc::not_found);
  auto reader = question(ab_verb::start, nullptr, bob);
  reader.sees_all = true;
  EXPECT_EQ(put(reader).error().code, errc::forbidden);
  reader.changes_all = true;
  EXPECT_TRUE(put(reader));
  EXPECT_EQ(json::parse(put(question(ab_verb::list, nullptr, bob))->text).size(), 0U);
}

TEST_F(ab_tests_test, AnIdIsGivenOnce) {
  answer(ab_verb::create, written());
  const auto again = put(question(ab_verb::create, written()));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, errc::conflict);
}

TEST_F(ab_tests_test, IsErasedWithItsObservations) {
  answer(ab_verb::create, written());
  answer(ab_verb::start);
  observe_both(3);
  EXPECT_EQ(put(question(ab_verb::erase)).error().code, errc::invalid_transition) << "it runs";
  answer(ab_verb::pause);
  EXPECT_EQ(answer(ab_verb::erase).at("deleted"), true);
  EXPECT_TRUE(store->documents.empty());
  EXPECT_EQ(put(question(ab_verb::show)).error().code, errc::not_found);
  EXPECT_EQ(answer(ab_verb::create, written()).at("total_samples"), 0);
}

} // namespace
} // namespace assay
