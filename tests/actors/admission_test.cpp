#include "actors/runs/admission.hpp"

#include "config/load.hpp"
#include "config/stored_models.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace assay::test {
namespace {

class admission_of_addresses : public testing::Test {
protected:
  admission_of_addresses() {
    auto pattern = (std::filesystem::temp_directory_path() / "assay-admission-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    config::load_request request;
    request.working_dir = request.home_dir = folder_.string();
    config.settings = std::make_shared<const config::settings>(config::load(request).value());
    config.tasks = std::make_shared<const tasks::task_catalogue>();
  }
  ~admission_of_addresses() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// Why a run against this address is not admitted; there is no task, so that none is.
  fault refusal_of(const std::string& base_url) {
    run_request request;
    request.model_kind = "openai-chat-completions";
    request.model_args = "model=x,base_url=" + base_url;
    request.tasks = {task_id{"none"}};
    return make_admission(config)(request).error();
  }

  admission_config config;

private:
  std::filesystem::path folder_;
};

TEST_F(admission_of_addresses, AsksTheCheckAboutAddressesThatAreNotConfigured) {
  std::vector<std::string> asked;
  config.check_endpoint = [&](const std::string& base_url) -> result<void> {
    asked.push_back(base_url);
    return fault{errc::forbidden, "10.0.0.7 is a private address", {}, "ask the operator"};
  };
  const auto refused = refusal_of("http://10.0.0.7/v1");
  EXPECT_EQ(refused.code, errc::forbidden);
  EXPECT_EQ(refused.message, "10.0.0.7 is a private address");
  EXPECT_EQ(refused.where, "model_args.base_url");
  EXPECT_EQ(asked, std::vector<std::string>{"http://10.0.0.7/v1"});

  EXPECT_NE(refusal_of("https://api.openai.com/v1").where, "model_args.base_url") << "configured";
  EXPECT_EQ(asked.size(), 1U);
}

TEST_F(admission_of_addresses, TakesNoAddressThatNoProviderServes) {
  config.check_endpoint = [](const std::string&) -> result<void> { return {}; };
  const auto refused = refusal_of("https://llm.example/v1");
  EXPECT_EQ(refused.code, errc::unsupported);
  EXPECT_EQ(refused.where, "model_args.base_url");
}

TEST_F(admission_of_addresses, LetsTheOwnerOfTheMachineNameAny) {
  EXPECT_EQ(refusal_of("http://10.0.0.7/v1").where, "task_ids[0]");
}

/// Runs of one small task, admitted against the shipped configuration.
class admission_of_batches : public testing::Test {
protected:
  admission_of_batches() {
    auto pattern = (std::filesystem::temp_directory_path() / "assay-admission-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    std::ofstream(folder_ / "sums.jsonl") << R"({"question":"2+2?","answer":"4"})"
                                          << "\n";
    std::ofstream(folder_ / "sums.yaml")
        << "id: sums\ndataset: sums.jsonl\nprompt: '{question}'\ntarget: '{answer}'\nscorer: numeric\n";
    auto known = std::make_shared<tasks::task_catalogue>();
    known->add(tasks::load_task_file((folder_ / "sums.yaml").string()).value());
    config_.tasks = known;
    config::load_request request;
    request.working_dir = request.home_dir = folder_.string();
    settings_ = config::load(request).value();
  }
  ~admission_of_batches() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  provider_profile& mock() {
    return *std::ranges::find(settings_.providers, provider_id{"mock"}, &provider_profile::id);
  }

  result<run_submitted> admit(execution_wish execution, std::optional<seconds> time_limit = {}) {
    config_.settings = std::make_shared<const config::settings>(settings_);
    run_request request;
    request.model = model_id{"sim-strong"};
    request.tasks = {task_id{"sums"}};
    request.execution = execution;
    request.time_limit = time_limit;
    return make_admission(config_)(request);
  }

  call_way way_of(execution_wish execution, std::optional<seconds> time_limit = {}) {
    return admit(execution, time_limit).value().record.spec.way;
  }

  config::settings settings_;
  admission_config config_;

private:
  std::filesystem::path folder_;
};

TEST_F(admission_of_batches, NobodyGetsOneWhoDoesNotAsk) {
  EXPECT_EQ(way_of(execution_wish::online), call_way::online);
  EXPECT_EQ(way_of(execution_wish::batch), call_way::batch);
}

TEST_F(admission_of_batches, TheFarmChoosesOneThatIsInTimeAndCheaper) {
  EXPECT_EQ(way_of(execution_wish::automatic), call_way::batch);
  EXPECT_EQ(way_of(execution_wish::automatic, std::chrono::hours{1}), call_way::online);
  EXPECT_EQ(way_of(execution_wish::automatic, std::chrono::hours{25}), call_way::batch);
  mock().batches.price_factor = 1;
  EXPECT_EQ(way_of(execution_wish::automatic), call_way::online);
}

TEST_F(admission_of_batches, AProviderWithoutABatchApiIsSaid) {
  mock().batches.available = false;
  EXPECT_EQ(way_of(execution_wish::automatic), call_way::online);
  const auto refused = admit(execution_wish::batch);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::unsupported);
  EXPECT_EQ(refused.error().where, "execution");
}

TEST_F(admission_of_batches, BudgetsAreKeptInBatchesToo) {
  settings_.budgets.per_run = money{5'000'000'000};
  settings_.budgets.per_day = money{50'000'000'000};
  EXPECT_EQ(way_of(execution_wish::batch), call_way::batch);
  EXPECT_EQ(way_of(execution_wish::automatic), call_way::batch);
}

TEST_F(admission_of_batches, ThePriceIsThatOfABatch) {
  const auto online = admit(execution_wish::online).value().estimated_cost;
  const auto batch = admit(execution_wish::batch).value();
  ASSERT_TRUE(online && batch.estimated_cost);
  EXPECT_NEAR(to_dollars(*batch.estimated_cost), to_dollars(*online) / 2, 1e-9);
  ASSERT_FALSE(batch.notes.empty());
  EXPECT_NE(batch.notes.front().find("50 % of the price"), std::string::npos);
}

/// Runs of tasks in a folder, with a file outside of it.
class admission_of_tasks : public testing::Test {
protected:
  admission_of_tasks() {
    auto pattern = (std::filesystem::temp_directory_path() / "assay-admission-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(folder_ / "tasks");
    std::filesystem::create_directories(folder_ / "elsewhere");
    for (const char* name : {"tasks/sums.jsonl", "elsewhere/sums.jsonl"})
      std::ofstream(folder_ / name) << R"({"question":"2+2?","answer":"4"})"
                                    << "\n";
    config::load_request request;
    request.working_dir = request.home_dir = folder_.string();
    config_.settings = std::make_shared<const config::settings>(config::load(request).value());
  }
  ~admission_of_tasks() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string path(const char* name) const { return (folder_ / name).string(); }

  void add(const std::string& id, const std::string& more) {
    const auto file = folder_ / "tasks" / (id + ".yaml");
    std::ofstream(file) << "id: " << id << "\nprompt: '{question}'\ntarget: '{answer}'\nscorer: numeric\n"
                        << more;
    known_.add(tasks::load_task_file(file).value());
  }

  result<run_submitted> admit(const std::vector<task_id>& ids, std::optional<uint16_t> epochs = {}) {
    config_.tasks = std::make_shared<const tasks::task_catalogue>(known_);
    run_request request;
    request.model = model_id{"sim-strong"};
    request.tasks = ids;
    request.epochs = epochs;
    return make_admission(config_)(request);
  }

  admission_config config_;
  std::filesystem::path folder_;

private:
  tasks::task_catalogue known_;
};

TEST_F(admission_of_tasks, ATaskSaysHowOftenItIsAskedWhenTheRequestDoesNot) {
  add("once", "dataset: sums.jsonl\n");
  add("thrice", "dataset: sums.jsonl\nepochs: 3\n");
  EXPECT_EQ(admit({task_id{"once"}}).value().record.spec.epochs, 1);
  const auto thrice = admit({task_id{"thrice"}}).value();
  EXPECT_EQ(thrice.record.spec.epochs, 3);
  EXPECT_EQ(thrice.record.progress.total, 3U);
  EXPECT_EQ(thrice.calls, 3U);
  EXPECT_EQ(admit({task_id{"thrice"}}, 2).value().record.spec.epochs, 2);
  const auto refused = admit({task_id{"once"}, task_id{"thrice"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, "epochs");
  EXPECT_EQ(admit({task_id{"once"}, task_id{"thrice"}}, 2).value().record.spec.epochs, 2);
}

TEST_F(admission_of_tasks, AReducerThatNeedsMoreRepeatsIsRefusedBeforeAnythingIsPaid) {
  add("drawn", "dataset: sums.jsonl\nepochs: 2\nepochs_reducer: pass_at_3\n");
  add("best", "dataset: sums.jsonl\nepochs: 2\nepochs_reducer: max\n");
  const auto refused = admit({task_id{"best"}, task_id{"drawn"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::invalid_argument);
  EXPECT_EQ(refused.error().where, "epochs_reducer");
  EXPECT_NE(refused.error().message.find("'drawn'"), std::string::npos);
  EXPECT_NE(refused.error().message.find("pass_at_3"), std::string::npos);
  EXPECT_FALSE(admit({task_id{"drawn"}}, 1));
  EXPECT_TRUE(admit({task_id{"drawn"}}, 3));
  EXPECT_TRUE(admit({task_id{"best"}}));
}

TEST_F(admission_of_tasks, WhatAModelIsToDoAtATypeOfTaskGoesBeforeTheTask) {
  add("typed", "dataset: sums.jsonl\ntask_type: sums\ngeneration: {temperature: 0.9, max_tokens: 7}\n");
  auto settings = *config_.settings;
  auto& model = *std::ranges::find(settings.models, model_id{"sim-strong"}, &model_profile::id);
  model.defaults = {};
  model.task_optimizations["sums"].temperature = 0.25;
  config_.settings = std::make_shared<const config::settings>(std::move(settings));
  const auto pinned = admit({task_id{"typed"}}).value().record.spec.tasks.front();
  EXPECT_EQ(pinned.generation.temperature, 0.25);
  EXPECT_EQ(pinned.generation.max_tokens, 7U);
}

TEST_F(admission_of_tasks, DataOutsideOfTheFoldersIsForItsOwnerAlone) {
  std::filesystem::create_symlink(path("elsewhere/sums.jsonl"), path("tasks/link.jsonl"));
  add("inside", "dataset: sums.jsonl\n");
  add("outside", "dataset: ../elsewhere/sums.jsonl\n");
  add("linked", "dataset: link.jsonl\n");
  add("shots", "dataset: sums.jsonl\nfewshot: {dataset: ../elsewhere/sums.jsonl}\n");
  for (const char* id : {"inside", "outside", "linked", "shots"})
    EXPECT_TRUE(admit({task_id{id}})) << id;
  config_.data_roots = std::vector{path("tasks")};
  EXPECT_TRUE(admit({task_id{"inside"}}));
  for (const char* id : {"outside", "linked", "shots"}) {
    const auto refused = admit({task_id{id}});
    ASSERT_FALSE(refused) << id;
    EXPECT_EQ(refused.error().code, errc::forbidden);
    EXPECT_EQ(refused.error().where, "task_ids");
    EXPECT_NE(refused.error().hint.find("tasks.roots"), std::string::npos);
  }
  EXPECT_NE(admit({task_id{"shots"}}).error().message.find("fewshot.dataset"), std::string::npos);
  config_.data_roots->push_back(path("elsewhere"));
  for (const char* id : {"outside", "linked", "shots"})
    EXPECT_TRUE(admit({task_id{id}})) << id;
}

/// Runs of models whose configurations are stored.
class admission_of_stored_models : public admission_of_batches {
protected:
  /// Stores `name`, as version 4. @param fields JSON object text.
  void store(const std::string& name, const std::string& fields) { stored_[name] = fields; }

  result<run_submitted> admit_model(const std::string& name, const std::string& model_args = {}) {
    auto config = config_;
    config.settings = std::make_shared<const config::settings>(settings_);
    config.find_stored = [this, all = config.settings](
                             const std::string& wanted) -> result<std::shared_ptr<const config::settings>> {
      std::shared_ptr<const config::settings> none;
      asked_.push_back(wanted);
      const auto found = stored_.find(wanted);
      if (found == stored_.end())
        return none;
      auto with = config::with_stored_model(*all, wanted, found->second, 4);
      if (!with)
        return with.error();
      none = std::make_shared<const config::settings>(std::move(*with));
      return none;
    };
    run_request request;
    request.model = model_id{std::string(name)};
    request.model_args = model_args;
    request.tasks = {task_id{"sums"}};
    return make_admission(config)(request);
  }

  std::vector<std::string> asked_;

private:
  std::map<std::string, std::string> stored_;
};

TEST_F(admission_of_stored_models, ArePinnedLikeConfiguredOnes) {
  store("cold", R"({"model_type":"mock","model":"sim-strong","temperature":0.1,"timeout":7,"max_retries":1,
                    "rate_limits":{"concurrent_requests":3}})");
  const auto run = admit_model("cold");
  ASSERT_TRUE(run) << to_string(run.error());
  const auto& spec = run->record.spec;
  EXPECT_EQ(spec.model.value, "cold");
  EXPECT_EQ(spec.wire_model, "sim-strong");
  EXPECT_EQ(spec.provider.value, "mock");
  EXPECT_EQ(spec.configuration_version, 4U);
  EXPECT_EQ(spec.tasks.front().generation.temperature, 0.1);
  EXPECT_EQ(spec.calls.timeout, seconds{7});
  EXPECT_EQ(spec.calls.max_retries, 1U);
  EXPECT_EQ(spec.calls.num_concurrent, 3U);
  EXPECT_TRUE(std::ranges::any_of(
      run->notes, [](const std::string& note) { return note.find("version 4") != std::string::npos; }));
  EXPECT_EQ(admit_model("cold", "temperature=0.9")->record.spec.tasks.front().generation.temperature, 0.9);
}

TEST_F(admission_of_stored_models, ConfiguredNamesGoFirstAndTheCatalogueLast) {
  store("sim-strong", R"({"model_type":"mock","model":"sim-weak"})");
  const auto configured = admit_model("sim-strong");
  ASSERT_TRUE(configured) << to_string(configured.error());
  EXPECT_EQ(configured->record.spec.wire_model, "sim-strong");
  EXPECT_EQ(configured->record.spec.configuration_version, 0U);
  EXPECT_TRUE(asked_.empty()) << "a configured name is not looked for";

  store("gpt-4o", R"({"model_type":"mock","model":"sim-weak"})");
  const auto stored = admit_model("gpt-4o");
  ASSERT_TRUE(stored) << to_string(stored.error());
  EXPECT_EQ(stored->record.spec.wire_model, "sim-weak");
}

TEST_F(admission_of_stored_models, WhatIsNotStoredIsFoundAsBefore) {
  EXPECT_EQ(admit_model("none-such").error().where, "model_id");
  EXPECT_EQ(admit_model("sim-p70")->record.spec.configuration_version, 0U);
}

TEST_F(admission_of_stored_models, AnAddressThatTheFarmLacksIsRefused) {
  store("far", R"({"model_type":"openai_compatible","model":"x","base_url":"http://10.0.0.7/v1"})");
  const auto refused = admit_model("far");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::unsupported);
  EXPECT_EQ(refused.error().where, "model_id");
}

TEST_F(admission_of_addresses, PlansForAModelWithoutAKey) {
  run_request request;
  request.model = model_id{"gpt-4o-mini"};
  request.tasks = {task_id{"none"}};
  EXPECT_EQ(make_admission(config)(request).error().message, "provider openai has no key");
  request.dry_run = true;
  EXPECT_EQ(make_admission(config)(request).error().where, "task_ids[0]") << "the next thing that is wrong";
}

TEST_F(admission_of_addresses, NamesTheArgumentThatIsWrong) {
  run_request request;
  request.model_kind = "openai-chat-completions";
  request.model_args = "model=x,nonsense=1";
  request.tasks = {task_id{"none"}};
  EXPECT_EQ(make_admission(config)(request).error().where, "model_args.nonsense");
}

} // namespace
} // namespace assay::test
