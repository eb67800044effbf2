#include "core/experiments/ab_run.hpp"
#include "tests/actors/farm_world.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace assay {
namespace {

using test::farm_world;
using namespace std::chrono_literals;
using nlohmann::json;

/// A/B tests that run by themselves, in a whole farm.
class ab_runs : public farm_world {
protected:
  std::vector<double> quality{0.1, 0.9}; ///< By variant.

  root_supervisor_config with_tests() {
    auto out = config();
    auto& tests = out.ab_tests;
    tests.workers = workers;
    tests.wall = [this] { return wall; };
    tests.read.tests = [this] {
      ab_tests_recalled found;
      for (const auto& [key, text] : store->documents)
        if (key.starts_with("ab_tests/"))
          found.records.push_back(text);
      return found;
    };
    tests.read.observations = [this](const std::string& prefix, const auto& send) {
      ab_observations_recalled part;
      for (const auto& [key, text] : store->documents)
        if (key.starts_with("ab_observations/" + prefix))
          part.rows.push_back(text);
      part.last = true;
      send(std::move(part));
    };
    tests.read.run_news = [this](const experiments::ab_test& test, uint64_t variant, run_id run,
                                 uint64_t after) { return news_of(test, variant, run, after); };
    return out;
  }

  /// As the store numbers the ends of samples.
  ab_run_news news_of(const experiments::ab_test& test, uint64_t variant, run_id run, uint64_t after) {
    auto& log = logs_[run];
    auto& known = known_[run];
    for (const auto& [address, sample] : store->samples[run])
      if (sample.status != sample_status::answered && known.insert(address.sample).second)
        log.push_back(sample);
    ab_run_news out;
    out.variant = variant;
    for (out.last_seq = after; out.last_seq < log.size() && out.rows.size() < 16; ++out.last_seq)
      out.rows.push_back(experiments::observation_of_sample(test.variants[variant], "questions",
                                                            log[out.last_seq], {}, quality[variant])
                             .dump());
    out.more = out.last_seq < log.size();
    out.ended = !out.more && is_final(store->runs.at(run).state);
    return out;
  }

  result<ab_answer> put(ab_verb verb, const json& body = nullptr) {
    ask_ab_test wish;
    wish.verb = verb;
    wish.test = "t";
    wish.body = body.is_null() ? std::string{} : body.dump();
    wish.who = user_id{"ann"};
    return ask<ab_answer>(handles().ab_tests, wish);
  }

  json answer_of(ab_verb verb, const json& body = nullptr) {
    const auto heard = put(verb, body);
    EXPECT_TRUE(heard) << (heard ? "" : to_string(heard.error()));
    return heard ? json::parse(heard->text) : json::object();
  }

  void create(bool paired = true) {
    answer_of(ab_verb::create, {{"test_id", "t"},
                                {"base_model", test::the_model.value},
                                {"variants", {{"a", {{"temperature", 0.1}}}, {"b", {{"temperature", 0.9}}}}},
                                {"minimum_samples", 10},
                                {"paired", paired}});
  }

  static json of_samples(uint64_t limit) { return {{"tasks", json::array({"questions"})}, {"limit", limit}}; }

  void work(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      for (int call = 0; call < 16 && wire.answer_next("right"); ++call)
        run();
      advance(1s);
    }
  }

  std::vector<run_id> runs_of(const json& shown) {
    std::vector<run_id> out;
    for (const auto& [name, id] : shown.at("run").at("runs").items())
      if (id.is_string())
        out.push_back(run_id_from_string(id.get<std::string>()).value_or(run_id{}));
    return out;
  }

private:
  std::map<run_id, std::vector<sample_record>> logs_;
  std::map<run_id, std::set<uint32_t>> known_;
};

TEST_F(ab_runs, EndWhenTheyAreDecidedAndSayWhatTheySaved) {
  pinned_prices = token_prices{1.0, 2.0, std::nullopt};
  start_farm(with_tests());
  create();
  EXPECT_EQ(answer_of(ab_verb::run, of_samples(1000)).at("state"), "running");
  work(60);
  const auto shown = answer_of(ab_verb::show);
  ASSERT_EQ(shown.at("state"), "completed") << shown;
  EXPECT_EQ(answer_of(ab_verb::analyze).at("winner"), "b");
  EXPECT_EQ(shown.at("run").at("planned"), 2000);
  EXPECT_EQ(shown.at("run").at("observed"), shown.at("total_samples"));
  EXPECT_GT(shown.at("run").at("samples_saved").get<int>(), 1000);
  EXPECT_TRUE(shown.at("run").at("cost_saved").is_number());
  advance(1min, 1s); // The grace of calls on the wire.
  const auto runs = runs_of(shown);
  ASSERT_EQ(runs.size(), 2u);
  for (const auto id : runs)
    EXPECT_EQ(find(id).state, run_state::cancelled);
}

TEST_F(ab_runs, EndUndecidedWhenAllIsAsked) {
  quality = {0.5, 0.5};
  start_farm(with_tests());
  create();
  answer_of(ab_verb::run, of_samples(20));
  work(10);
  const auto shown = answer_of(ab_verb::show);
  ASSERT_EQ(shown.at("state"), "completed") << shown;
  EXPECT_EQ(shown.at("ended_because"), "all its samples have been asked");
  EXPECT_EQ(shown.at("total_samples"), 40);
  EXPECT_EQ(shown.at("run").at("samples_saved"), 0);
  for (const auto id : runs_of(shown))
    EXPECT_EQ(find(id).state, run_state::completed);
}

TEST_F(ab_runs, GoOnAfterACrashWithoutAskingOrCountingTwice) {
  quality = {0.5, 0.5};
  start_farm(with_tests());
  create();
  answer_of(ab_verb::run, of_samples(60));
  work(2);
  const auto before = answer_of(ab_verb::show).at("total_samples").get<int>();
  EXPECT_GT(before, 0);
  EXPECT_LT(before, 120);
  crash_farm();
  start_farm(with_tests());
  work(20);
  const auto shown = answer_of(ab_verb::show);
  EXPECT_EQ(shown.at("state"), "completed") << shown;
  EXPECT_EQ(shown.at("total_samples"), 120);
  EXPECT_EQ(store->runs.size(), 2u);
}

TEST_F(ab_runs, PauseTheirRunsAndStopThem) {
  start_farm(with_tests());
  create();
  answer_of(ab_verb::run, of_samples(1000));
  advance(1s);
  const auto runs = runs_of(answer_of(ab_verb::show));
  ASSERT_EQ(runs.size(), 2u);
  answer_of(ab_verb::pause);
  advance(1s);
  for (const auto id : runs)
    EXPECT_EQ(find(id).state, run_state::paused);
  answer_of(ab_verb::start);
  advance(1s);
  for (const auto id : runs)
    EXPECT_EQ(find(id).state, run_state::running);
  answer_of(ab_verb::stop);
  advance(1min, 1s);
  for (const auto id : runs)
    EXPECT_EQ(find(id).state, run_state::cancelled);
}

TEST_F(ab_runs, StartNothingWhileSomethingIsWrong) {
  start_farm(with_tests());
  create();
  EXPECT_EQ(put(ab_verb::run, of_samples(0)).error().where, "limit");
  auto doubled = of_samples(10);
  doubled["temperature"] = 0.5;
  EXPECT_EQ(put(ab_verb::run, doubled).error().where, "temperature");
  auto early = of_samples(10);
  early["depends_on"] = json::array({"run_0000000000000001"});
  EXPECT_FALSE(put(ab_verb::run, early));
  EXPECT_EQ(put(ab_verb::run, of_samples(150'000)).error().code, errc::too_large);
  EXPECT_EQ(answer_of(ab_verb::show).at("state"), "created");
  EXPECT_TRUE(store->runs.empty());
}

TEST_F(ab_runs, NeedAPairedTest) {
  start_farm(with_tests());
  create(false);
  EXPECT_EQ(put(ab_verb::run, of_samples(10)).error().where, "paired");
}

TEST_F(ab_runs, TakeNoObservationsOfOthers) {
  start_farm(with_tests());
  create();
  answer_of(ab_verb::run, of_samples(10));
  const auto refused = put(ab_verb::observe, {{"variant", "a"}, {"unit", "u"}, {"quality", 1}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::conflict);
  EXPECT_EQ(put(ab_verb::run, of_samples(10)).error().code, errc::conflict);
}

} // namespace
} // namespace assay
