#include "tests/actors/farm_world.hpp"
#include "tests/support/amounts.hpp"

#include <caf/others.hpp>
#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

#include <map>
#include <sstream>

namespace assay {
namespace {

using control::budget_scope;
using nlohmann::json;
using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;
using test::cents;
using test::dollars;

/// Runs whose calls go in batches, through the whole farm. A token costs a cent, in a batch half of that: an
/// answer costs 6 cents, and a call may cost 11.
class batches_of_farm : public farm_world {
protected:
  root_supervisor_config base;
  std::map<std::string, std::vector<std::string>> files; ///< Names of the calls, by file.
  std::map<std::string, std::string> batches;            ///< Their files.
  std::map<std::string, json> labels;
  bool done = true; ///< The provider is done with a batch as soon as it is asked.

  batches_of_farm() {
    base = config();
    auto& provider = base.providers.providers.front();
    provider.dialect = api_dialect::openai;
    provider.base_url = "https://api.openai.com/v1";
    provider.batches.available = true;
    base.batches.providers = base.providers.providers;
    base.batches.workers = workers;
    base.batches.open_transport = wire.factory();
    base.batches.wall = [this] { return wall; };
    base.batches.assumed_answer = 10;
    base.batches.recall = [this]() -> result<std::vector<std::pair<std::string, std::string>>> {
      std::vector<std::pair<std::string, std::string>> kept;
      const std::string table = "batches/";
      for (const auto& [key, text] : store->documents)
        if (key.starts_with(table))
          kept.emplace_back(key.substr(table.size()), text);
      return kept;
    };
    base.router.assumed_answer = 10;
    base.runs.admit = [](const run_request& request) {
      auto pinned = admit(request);
      if (pinned) {
        auto& spec = pinned->record.spec;
        spec.prices = token_prices{10'000, 10'000, std::nullopt};
        spec.max_cost = request.max_cost;
        spec.way = call_way::batch;
      }
      return pinned;
    };
    wire.respond = [this](const http_request& request) { return std::optional{answer(request)}; };
  }

  static http_outcome good(const std::string& body) {
    auto out = fake_wire::answer(0, {});
    out.body = shared_text{body};
    return out;
  }

  json shown(const std::string& batch) const {
    json out{{"id", batch},
             {"object", "batch"},
             {"status", done ? "completed" : "in_progress"},
             {"created_at", wall.time_since_epoch().count() / 1000},
             {"request_counts", {{"total", files.at(batches.at(batch)).size()}}},
             {"metadata", labels.at(batch)}};
    if (done)
      out["output_file_id"] = "out-" + batch;
    return out;
  }

  /// The batch API of OpenAI, as far as the desk uses it.
  http_outcome answer(const http_request& request) {
    const auto& target = request.target;
    if (target == "/files") {
      const auto id = "file-" + std::to_string(files.size() + 1);
      auto& calls = files[id];
      std::istringstream lines(request.body.str());
      for (std::string line; std::getline(lines, line);)
        if (const auto call = json::parse(line, nullptr, false);
            call.is_object() && call.contains("custom_id"))
          calls.push_back(call["custom_id"].get<std::string>());
      return good(json{{"id", id}, {"object", "file"}, {"status", "processed"}}.dump());
    }
    if (target == "/batches" && !request.body.empty()) {
      const auto wish = json::parse(request.body.view());
      const auto id = "batch-" + std::to_string(batches.size() + 1);
      batches[id] = wish["input_file_id"].get<std::string>();
      labels[id] = wish.value("metadata", json::object());
      return good(shown(id).dump());
    }
    if (target.ends_with("/content")) {
      const auto from = std::string("/files/out-").size();
      return good(rows_of(target.substr(from, target.size() - from - std::string("/content").size())));
    }
    if (target.ends_with("/cancel"))
      return good("{}");
    if (target.starts_with("/batches/"))
      return good(shown(target.substr(std::string("/batches/").size())).dump());
    if (target.starts_with("/batches")) {
      json list{{"object", "list"}, {"data", json::array()}, {"has_more", false}};
      for (const auto& [id, file] : batches)
        list["data"].push_back(shown(id));
      return good(list.dump());
    }
    return fake_wire::answer(0, "right");
  }

  std::string rows_of(const std::string& batch) const {
    std::string out;
    for (const auto& name : files.at(batches.at(batch)))
      out += json{{"id", "r"},
                  {"custom_id", name},
                  {"response",
                   {{"status_code", 200},
                    {"request_id", "q"},
                    {"body", json::parse(fake_wire::answer(0, "right").body.view())}}},
                  {"error", nullptr}}
                 .dump()
             + "\n";
    return out;
  }

  /// Names of batches come from the time of day, so that it has to go on.
  void pass(std::chrono::milliseconds time, std::chrono::milliseconds step) {
    wall += time;
    advance(time, step);
  }

  /// What the provider asks for: each call of each batch that was made.
  money paid() const {
    int64_t calls = 0;
    for (const auto& [batch, file] : batches)
      calls += static_cast<int64_t>(files.at(file).size());
    return cents(6 * calls);
  }

  control::budget_account day() {
    return state_of<budget_keeper_state>(handles().budgets)
        .ledger.find({budget_scope::day, {}, control::utc_day(wall)});
  }

  run_id submit_limited(uint64_t samples, money limit) {
    auto wish = request(samples);
    wish.max_cost = limit;
    return submit(std::move(wish));
  }
};

TEST_F(batches_of_farm, ARunWithALimitGoesInBatches) {
  start_farm(base);
  const auto id = submit_limited(20, dollars(50));
  pass(60s, 100ms);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 20u);
  EXPECT_EQ(batches.size(), 1u);
  EXPECT_EQ(cost_of(id), cents(120));
}

TEST_F(batches_of_farm, ARunEndsBeforeItCostsMoreThanItMay) {
  start_farm(base);
  const auto id = submit_limited(40, dollars(1));
  pass(300s, 100ms);
  const auto record = find(id);
  ASSERT_EQ(record.state, run_state::failed);
  ASSERT_TRUE(record.error);
  EXPECT_EQ(record.error->code, errc::budget_exhausted);
  EXPECT_EQ(record.error->where, "max_cost");
  EXPECT_LE(paid(), dollars(1));
  EXPECT_GE(paid(), cents(80)) << "what comes back is used";
  EXPECT_EQ(cost_of(id), paid());
}

/// The desk's successor finds the batch that is being worked on, and the calls that are asked again in it.
TEST_F(batches_of_farm, ADeskThatFallsMakesNoSecondBatchOfTheSameCalls) {
  done = false;
  start_farm(base);
  const auto id = submit(20);
  pass(30s, 100ms);
  ASSERT_EQ(batches.size(), 1u);
  const auto before = handles().batches;
  kill(before);
  pass(20s, 100ms);
  EXPECT_NE(handles().batches, before);
  done = true;
  pass(120s, 100ms);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 20u);
  EXPECT_EQ(batches.size(), 1u);
  EXPECT_EQ(cost_of(id), cents(120));
  EXPECT_FALSE(escalation);
}

TEST_F(batches_of_farm, ManyRunsTogetherStayWithinTheDay) {
  base.budgets.per_day = dollars(5);
  start_farm(base);
  std::vector<run_id> runs;
  for (int i = 0; i < 12; ++i)
    runs.push_back(submit(20));
  for (int i = 0; i < 120; ++i) {
    pass(5s, 100ms);
    ASSERT_LE(day().spent + day().leased, dollars(5));
    ASSERT_LE(paid(), dollars(5));
  }
  money together;
  for (const auto id : runs) {
    EXPECT_TRUE(is_final(find(id).state)) << to_string(find(id).state);
    together += cost_of(id);
  }
  EXPECT_EQ(together, paid());
  EXPECT_GE(paid(), dollars(4)) << "no money is left lying";
}

TEST_F(batches_of_farm, BudgetsHoldOverFallsOfDeskKeeperAndFarm) {
  base.budgets.per_day = dollars(4);
  done = false;
  start_farm(base);
  for (int i = 0; i < 4; ++i)
    submit(30);
  for (int round = 0; round < 9; ++round) {
    pass(12s, 100ms);
    switch (round % 3) {
    case 0:
      kill(handles().batches);
      break;
    case 1:
      kill(handles().budgets);
      break;
    case 2:
      crash_farm();
      start_farm(base);
      break;
    }
    pass(3s, 50ms);
    ASSERT_LE(paid(), dollars(4)) << round;
    ASSERT_LE(day().spent + day().leased, dollars(4)) << round;
    ASSERT_GE(day().spent + day().leased, paid()) << round;
    ASSERT_FALSE(escalation) << round;
    // Every other round the provider is done with what it has.
    done = round % 2 == 0;
    pass(60s, 500ms);
    done = false;
  }
  done = true;
  pass(600s, 500ms);
  EXPECT_LE(paid(), dollars(4));
  EXPECT_GE(paid(), dollars(2));
  EXPECT_EQ(day().leased, money{});
  EXPECT_GE(day().spent, paid());
}

} // namespace
} // namespace assay
