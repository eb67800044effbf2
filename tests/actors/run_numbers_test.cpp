#include "tests/actors/farm_world.hpp"

#include <nlohmann/json.hpp>

#include <set>

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;
using json = nlohmann::json;

// -- calls that are out ------------------------------------------------------------------------------------

struct counter_state {
  std::vector<uint32_t> told;
};

/// Stands for a run: keeps how many of its calls were said to be on the wire.
call_sink_actor::behavior_type counter(call_sink_actor::stateful_pointer<counter_state> self) {
  return {
      [](const call_outcome_batch&) {},
      [self](const lane_credit& credit) { self->state.told.push_back(credit.on_the_wire); },
      [](const call_delta&) {},
      [](const calls_on_the_wire&) {},
  };
}

class calls_that_are_out : public farm_world {
protected:
  json samples_of(run_id id) { return run_status_json(find(id))["samples"]; }

  void expect_out(run_id id, uint64_t on_the_wire, uint64_t waiting) {
    const auto record = find(id);
    EXPECT_EQ(record.progress.in_flight, on_the_wire);
    EXPECT_EQ(record.progress.waiting, waiting);
  }
};

TEST_F(calls_that_are_out, AreOnTheWireOrWait) {
  cap = 4;
  start_farm();
  const auto id = submit(20);
  advance(1s);
  expect_out(id, 4, 16);
  EXPECT_EQ(samples_of(id)["in_flight"], 4);
  EXPECT_EQ(samples_of(id)["waiting"], 16);
  for (int i = 0; i < 17; ++i) {
    ASSERT_TRUE(wire.answer_next("right"));
    run();
  }
  advance(1s);
  expect_out(id, 3, 0);
  answer_everything();
  ASSERT_EQ(find(id).state, run_state::completed);
  expect_out(id, 0, 0);
  EXPECT_EQ(json::parse(store->events[id].back().data.view())["samples"]["in_flight"], 0);
}

TEST_F(calls_that_are_out, WaitWhileTheProviderAsksToWait) {
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::failure(0, 429, {{"retry-after", "60"}}, "rate_limit_exceeded")};
  };
  start_farm();
  const auto id = submit(10);
  advance(3s);
  expect_out(id, 0, 10);
}

TEST_F(calls_that_are_out, AreCountedForEachRunByItself) {
  cap = 4;
  start_farm();
  const auto first = submit(3);
  const auto second = submit(5);
  advance(1s);
  expect_out(first, 3, 0);
  expect_out(second, 1, 4);
}

TEST_F(calls_that_are_out, AreNoneOnTheWireWhenAPausedRunRests) {
  cap = 2;
  start_farm();
  const auto id = submit(10);
  advance(1s);
  ASSERT_TRUE(verb(id, run_verb::pause).has_value());
  advance(1s);
  expect_out(id, 2, 0);
  while (wire.answer_next("right"))
    run();
  advance(1s);
  expect_out(id, 0, 0);
}

TEST_F(calls_that_are_out, AreToldAtMostTwiceASecond) {
  start_farm();
  const auto sink = spawn(counter);
  lane where;
  where.run = run_id{1'700'000'000U, 99U};
  where.model = test::the_model;
  where.provider = test::the_provider;
  tell(the_provider_actor(), open_lane{where, sink});
  auto& told = state_of<counter_state>(sink).told;
  for (uint64_t i = 0; i < 100; ++i) {
    call_batch batch{where, {}, sink};
    auto& request = batch.calls.emplace_back();
    request.id = call_id{i + 1};
    request.messages.push_back({chat_role::user, shared_text{"hello"}});
    tell(the_provider_actor(), std::move(batch));
    advance(30ms);
    ASSERT_TRUE(wire.answer_next("right"));
    advance(20ms);
  }
  EXPECT_GE(told.size(), 5u) << "in five seconds";
  EXPECT_LE(told.size(), 13u) << "in five seconds";
  EXPECT_GE(std::ranges::count(told, 1u), 1);
  advance(1s);
  EXPECT_EQ(told.back(), 0u);
}

// -- the time of a sample ----------------------------------------------------------------------------------

class time_of_a_sample : public farm_world {
protected:
  std::vector<milliseconds> durations(run_id id) {
    std::vector<milliseconds> out;
    for (const auto& [address, sample] : store->samples[id])
      out.push_back(sample.duration);
    return out;
  }
};

TEST_F(time_of_a_sample, GivenUpAtTheTimeLimitIsThatSinceItWasSent) {
  cap = 2;
  start_farm();
  auto wish = request(5);
  wish.time_limit = 20s;
  const auto id = submit(wish);
  advance(12s, 100ms);
  // The third one takes its place, and has been out for less.
  ASSERT_TRUE(wire.answer_next("right"));
  advance(13s, 100ms);
  ASSERT_TRUE(find(id).error.has_value());
  ASSERT_EQ(find(id).error->code, errc::time_limit_reached);
  const auto found = durations(id);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0], 0ms) << "as the wire of the test says";
  EXPECT_NEAR(static_cast<double>(found[1].count()), 20'000, 1'000);
  EXPECT_NEAR(static_cast<double>(found[2].count()), 8'000, 1'000);
}

TEST_F(time_of_a_sample, GivenUpAfterTheGraceOfACancelIsThatSinceItWasSent) {
  cap = 1;
  start_farm();
  const auto id = submit(5);
  advance(10s, 100ms);
  ASSERT_TRUE(verb(id, run_verb::cancel).has_value());
  advance(31s, 100ms);
  const auto found = durations(id);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NEAR(static_cast<double>(found[0].count()), 40'000, 1'000);
}

TEST_F(time_of_a_sample, CountsTheTriesBeforeAndNoWaitForATurn) {
  cap = 1;
  start_farm();
  const auto id = submit(2);
  advance(20s, 100ms);
  ASSERT_TRUE(wire.answer_next("right"));
  run();
  advance(2s, 100ms);
  wire.deliver(fake_wire::failure(wire.requests.front().id, 503));
  run();
  // The wait before the next try is drawn; it is short at the first one.
  for (int i = 0; i < 600 && wire.requests.empty(); ++i)
    advance(100ms, 100ms);
  advance(3s, 100ms);
  ASSERT_TRUE(wire.answer_next("right"));
  advance(1s, 100ms);
  ASSERT_EQ(find(id).state, run_state::completed);
  const auto found = durations(id);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_GE(found[1], 5s) << "both tries";
  EXPECT_LT(found[1], 20s) << "not the time in the line";
}

// -- the end -----------------------------------------------------------------------------------------------

/// Says in its document when the run ended.
class dated_worker final : public run_worker {
public:
  explicit dated_worker(test::fake_store& store) : worker_(store) {}

  run_recovered recover(const run_record& record) override { return worker_.recover(record); }
  std::shared_ptr<const run_plan> plan() const override { return worker_.plan(); }
  samples_loaded next_page(size_t limit) override { return worker_.next_page(limit); }
  result_computed summarise(const run_record& record) override {
    return {json{{"completed_at", to_rfc3339(record.finished_at.value_or(wall_time{}))}}.dump(),
            std::nullopt};
  }

private:
  test::fake_worker worker_;
};

class end_of_a_run : public farm_world {
protected:
  void start() {
    auto with = config();
    with.runs.child.make_worker = [this] { return std::make_shared<dated_worker>(*store); };
    start_farm(with);
  }

  /// Lets time pass on the wall at every step that could look at it.
  void work_off_slowly() {
    workers->hold = false;
    while (!workers->held.empty()) {
      wall += 7s;
      const auto job = std::move(workers->held.back());
      workers->held.pop_back();
      job();
      wall += 7s;
      run();
    }
    wall += 7s;
    advance(1s);
  }

  /// Every place that names the moment of the run's end.
  std::set<std::string> moments(run_id id, event_type type) {
    const auto record = store->runs.at(id);
    std::set<std::string> out{to_rfc3339(record.finished_at.value_or(wall_time{})),
                              run_status_json(find(id))["finished_at"].get<std::string>(),
                              json::parse(store->results[id])["completed_at"].get<std::string>()};
    for (const auto& one : store->events[id]) {
      if (one.type != type)
        continue;
      out.insert(to_rfc3339(one.at));
      out.insert(json::parse(one.data.view())["finished_at"].get<std::string>());
    }
    return out;
  }
};

TEST_F(end_of_a_run, IsTheSameMomentInItsStatusItsResultAndItsEvent) {
  start();
  const auto id = submit(2);
  workers->hold = true;
  answer_everything();
  ASSERT_FALSE(workers->held.empty()) << "the result is being computed";
  const auto end = to_rfc3339(wall);
  work_off_slowly();
  ASSERT_EQ(store->runs.at(id).state, run_state::completed);
  EXPECT_EQ(moments(id, event_type::evaluation_completed), std::set{end});
}

TEST_F(end_of_a_run, IsTheMomentOfItsCancel) {
  start();
  const auto id = submit(2);
  const auto end = to_rfc3339(wall);
  ASSERT_TRUE(verb(id, run_verb::cancel).has_value());
  wall += 7s;
  advance(1s);
  workers->hold = true;
  answer_everything();
  work_off_slowly();
  ASSERT_EQ(store->runs.at(id).state, run_state::cancelled);
  EXPECT_EQ(moments(id, event_type::evaluation_cancelled), std::set{end});
}

TEST_F(end_of_a_run, IsTheMomentOfACancelThatCameWhileTheResultWasComputed) {
  start();
  const auto id = submit(2);
  workers->hold = true;
  answer_everything();
  ASSERT_FALSE(workers->held.empty());
  wall += 7s;
  const auto end = to_rfc3339(wall);
  ASSERT_TRUE(verb(id, run_verb::cancel).has_value());
  work_off_slowly();
  ASSERT_EQ(store->runs.at(id).state, run_state::cancelled);
  EXPECT_EQ(moments(id, event_type::evaluation_cancelled), std::set{end});
}

} // namespace
} // namespace assay
