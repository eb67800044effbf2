#include "actors/runs/admission.hpp"

#include "config/load.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

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

private:
  admission_config config_;
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

TEST_F(admission_of_batches, ThePriceIsThatOfABatch) {
  const auto online = admit(execution_wish::online).value().estimated_cost;
  const auto batch = admit(execution_wish::batch).value();
  ASSERT_TRUE(online && batch.estimated_cost);
  EXPECT_NEAR(to_dollars(*batch.estimated_cost), to_dollars(*online) / 2, 1e-9);
  ASSERT_FALSE(batch.notes.empty());
  EXPECT_NE(batch.notes.front().find("50 % of the price"), std::string::npos);
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
