#include "core/values/run_request.hpp"

#include "core/values/closest_word.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

using namespace assay;
using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

json smallest() { return {{"model_id", "claude-3-haiku"}, {"task_ids", {"arithmetic"}}}; }

json with(const char* key, json value) {
  auto body = smallest();
  body[key] = std::move(value);
  return body;
}

run_request accepted(const json& body) {
  auto answer = run_request_from_json(body);
  if (!answer)
    throw std::runtime_error(to_string(answer.error()));
  return std::move(*answer);
}

fault refused(const json& body) {
  auto answer = run_request_from_json(body);
  if (answer)
    throw std::runtime_error("was accepted: " + body.dump());
  return answer.error();
}

} // namespace

TEST(run_request, ReadsTheDocumentedBodyOfPostEvaluations) {
  const auto request = accepted(json::parse(R"({
    "model_id": "claude-3-haiku",
    "task_ids": ["single_turn_scenarios_function_generation", "single_turn_scenarios_code_completion"],
    "configuration": {"temperature": 0.7, "max_tokens": 1024, "limit": 5},
    "context_mode": "full_context",
    "metadata": {"experiment_name": "baseline_test", "description": "Baseline performance test"}
  })"));
  EXPECT_EQ(request.model.value, "claude-3-haiku");
  EXPECT_EQ(request.tasks.size(), 2u);
  EXPECT_EQ(request.generation.temperature, 0.7);
  EXPECT_EQ(request.generation.max_tokens, 1024u);
  EXPECT_EQ(request.limit, 5u);
  EXPECT_EQ(request.context_mode, "full_context");
  EXPECT_EQ(json::parse(request.metadata).at("experiment_name"), "baseline_test");
  EXPECT_EQ(json::parse(request.requested), json::parse(R"({"temperature":0.7,"max_tokens":1024,"limit":5,
                                                            "context_mode":"full_context"})"));
  EXPECT_THAT(request.notes, IsEmpty());
}

TEST(run_request, ReadsTheDocumentedEvaluationRequestWithTheOtherNames) {
  const auto request = accepted(json::parse(R"({
    "model": "claude-local", "tasks": ["a", "b", "c"], "limit": 10, "num_fewshot": 0, "batch_size": 1,
    "device": null, "use_cache": true, "cache_requests": true, "rewrite_requests_cache": false,
    "delete_requests_cache": false, "write_out": true, "output_base_path": "results/api_evaluation",
    "log_samples": true, "show_config": true,
    "gen_kwargs": {"temperature": 0.7, "max_gen_toks": 1024, "do_sample": false},
    "predict_only": false, "verbosity": "INFO", "random_seed": 42, "numpy_random_seed": 1234,
    "torch_random_seed": 1234, "fewshot_random_seed": 1234
  })"));
  EXPECT_TRUE(request.model.empty());
  EXPECT_EQ(request.model_kind, "claude-local");
  EXPECT_EQ(request.tasks.size(), 3u);
  EXPECT_EQ(request.generation.max_tokens, 1024u);
  EXPECT_EQ(request.generation.temperature, 0.0) << "do_sample false means temperature 0";
  EXPECT_EQ(request.random_seed, 42);
  EXPECT_EQ(request.output_path, "results/api_evaluation");
  EXPECT_EQ(request.cache, cache_use::use);
  EXPECT_THAT(request.notes, Contains(HasSubstr("batch_size")));
  EXPECT_THAT(request.notes, Contains(HasSubstr("do_sample")));
  EXPECT_THAT(request.notes, Contains(HasSubstr("torch_random_seed")));
}

TEST(run_request, TakesModelArgsAsAKindOfModel) {
  auto body = json{{"model", "openai-completions"}, {"model_args", "model=gpt-3.5-turbo"}, {"tasks", {"a"}}};
  const auto request = accepted(body);
  EXPECT_EQ(request.model_kind, "openai-completions");
  EXPECT_EQ(request.model_args, "model=gpt-3.5-turbo");
  EXPECT_TRUE(request.model.empty());
}

TEST(run_request, TakesAnUnknownWordUnderModelAsAModel) {
  EXPECT_EQ(accepted({{"model", "my-model"}, {"tasks", {"a"}}}).model.value, "my-model");
}

TEST(run_request, NamesTheFieldThatContradictsAnother) {
  auto body = smallest();
  body["temperature"] = 0.1;
  body["configuration"] = {{"temperature", 0.2}};
  EXPECT_EQ(refused(body).where, "configuration.temperature");
  EXPECT_EQ(refused(body).message, "contradicts temperature");

  body = smallest();
  body["max_tokens"] = 10;
  body["gen_kwargs"] = {{"max_gen_toks", 20}};
  EXPECT_EQ(refused(body).where, "gen_kwargs.max_gen_toks");

  body = smallest();
  body["tasks"] = {"other"};
  EXPECT_EQ(refused(body).where, "tasks");

  body = smallest();
  body["model"] = "gpt-4o";
  EXPECT_EQ(refused(body).where, "model");

  body = smallest();
  body["model_args"] = "model=x";
  EXPECT_EQ(refused(body).where, "model_args");
}

TEST(run_request, AcceptsTheSameValueInTwoPlaces) {
  auto body = smallest();
  body["tasks"] = body["task_ids"];
  body["model"] = body["model_id"];
  body["limit"] = 3;
  body["configuration"] = {{"limit", 3}};
  EXPECT_EQ(accepted(body).limit, 3u);
}

TEST(run_request, RefusesUnknownFieldsAndSuggestsTheNearest) {
  const auto error = refused(with("temprature", 0.5));
  EXPECT_EQ(error.where, "temprature");
  EXPECT_THAT(error.hint, HasSubstr("'temperature'"));
  EXPECT_EQ(refused(with("gen_kwargs", {{"top_q", 1}})).where, "gen_kwargs.top_q");
  EXPECT_TRUE(refused(with("entirely_different", 1)).hint.empty());
}

TEST(run_request, KeepsUnknownConfigurationAndSaysSo) {
  const auto request = accepted(with("configuration", {{"top_k", 3}, {"my_own", "x"}}));
  EXPECT_THAT(request.notes, Contains(HasSubstr("configuration.my_own")));
  EXPECT_THAT(request.notes, Contains(HasSubstr("configuration.top_k"))) << "near to top_p, and no slip";
  EXPECT_EQ(json::parse(request.requested).at("my_own"), "x");
}

TEST(run_request, RefusesConfigurationThatIsNearlyASetting) {
  const auto error = refused(with("configuration", {{"limt", 3}}));
  EXPECT_EQ(error.where, "configuration.limt");
  EXPECT_THAT(error.hint, HasSubstr("did you mean 'limit'?"));
}

TEST(run_request, SaysOfTextsWhatIsWrong) {
  EXPECT_EQ(refused(with("task_ids", {"a", 5})).message, "must be a text, not 5");
  EXPECT_EQ(refused(with("task_ids", {std::string(300, 'x')})).message,
            "must have at most 256 bytes, not 300");
}

TEST(run_request, NamesTheFieldOfEveryWrongValue) {
  const std::pair<const char*, json> wrong[] = {
      {"limit", 0},
      {"limit", -1},
      {"limit", 2.5},
      {"limit", "5"},
      {"limit", 1e300},
      {"limit", json::array()},
      {"temperature", 2.01},
      {"temperature", "hot"},
      {"top_p", -0.1},
      {"max_tokens", 0},
      {"epochs", 0},
      {"epochs", 1001},
      {"priority", 101},
      {"priority", -101},
      {"weight", 0},
      {"time_limit", 0},
      {"num_fewshot", -1},
      {"dry_run", "yes"},
      {"log_samples", 1},
      {"metadata", "text"},
      {"configuration", 5},
      {"gen_kwargs", json::array()},
      {"batch_size", -1},
      {"random_seed", "x"},
      {"context_mode", "all"},
      {"stop", ""},
      {"device", 5},
      {"request_id", "with space"},
      {"random_seed", uint64_t{18446744073709551615u}},
  };
  for (const auto& [key, value] : wrong)
    EXPECT_EQ(refused(with(key, value)).where, key) << value;
  EXPECT_EQ(refused(with("task_ids", {"a", 5})).where, "task_ids[1]");
  EXPECT_EQ(refused(with("task_ids", {""})).where, "task_ids[0]");
  EXPECT_EQ(refused(with("task_ids", json::array())).where, "task_ids");
  EXPECT_EQ(refused(with("task_ids", "a")).where, "task_ids");
  EXPECT_EQ(refused(with("depends_on", {"eval_1"})).where, "depends_on");
}

TEST(run_request, NeedsAModelAndATask) {
  EXPECT_EQ(refused({{"task_ids", {"a"}}}).where, "model_id");
  EXPECT_EQ(refused({{"model_id", "m"}}).where, "task_ids");
  EXPECT_EQ(refused({{"model_id", ""}, {"task_ids", {"a"}}}).where, "model_id");
  EXPECT_EQ(refused(json::array()).code, errc::invalid_argument);
}

TEST(run_request, ConfinesTheOutputPath) {
  for (const auto* path : {"/etc", "../x", "results/../../x", "results/.."})
    EXPECT_EQ(refused(with("output_base_path", path)).where, "output_base_path") << path;
  EXPECT_EQ(accepted(with("output_base_path", "results/..x/y..z")).output_path, "results/..x/y..z");
}

TEST(run_request, ReadsDependenciesAndLimits) {
  auto body = smallest();
  body["depends_on"] = {"eval_1700000000_0000abcd"};
  body["priority"] = -100;
  body["weight"] = 1000;
  body["epochs"] = 1000;
  body["time_limit"] = 300.0;
  body["prompt_types"] = {"basic", "cot", "basic"};
  body["stop_sequences"] = {"```", "\n\n"};
  body["dry_run"] = true;
  const auto request = accepted(body);
  EXPECT_EQ(request.depends_on.size(), 1u);
  EXPECT_EQ(request.priority, -100);
  EXPECT_EQ(request.weight, 1000u);
  EXPECT_EQ(request.epochs, 1000);
  EXPECT_EQ(request.time_limit, seconds{300});
  EXPECT_THAT(request.prompt_types, ElementsAre("basic", "cot"));
  EXPECT_THAT(request.generation.stop, ElementsAre("```", "\n\n"));
  EXPECT_TRUE(request.dry_run);
}

TEST(run_request, ReadsTheSwitchesOfTheCacheInAnotherHarnesssWords) {
  const auto use_of = [](json settings) {
    auto body = smallest();
    body["configuration"] = std::move(settings);
    return accepted(body).cache;
  };
  EXPECT_EQ(use_of(json::object()), cache_use::off);
  EXPECT_EQ(use_of({{"use_cache", false}, {"cache_requests", false}}), cache_use::off);
  EXPECT_EQ(use_of({{"use_cache", true}}), cache_use::use);
  EXPECT_EQ(use_of({{"use_cache", "cache/answers.db"}}), cache_use::use);
  EXPECT_EQ(use_of({{"use_cache", "false"}}), cache_use::off);
  EXPECT_EQ(use_of({{"cache_requests", true}}), cache_use::use);
  EXPECT_EQ(use_of({{"cache_requests", "true"}}), cache_use::use);
  EXPECT_EQ(use_of({{"cache_requests", "refresh"}}), cache_use::rewrite);
  EXPECT_EQ(use_of({{"cache_requests", "delete"}}), cache_use::remove);
  EXPECT_EQ(use_of({{"use_cache", true}, {"rewrite_requests_cache", true}}), cache_use::rewrite);
  EXPECT_EQ(use_of({{"delete_requests_cache", true}}), cache_use::remove);
  EXPECT_EQ(use_of({{"use_cache", true}, {"delete_requests_cache", true}}), cache_use::rewrite);
}

TEST(run_request, NamesAWrongSwitchOfTheCache) {
  auto body = smallest();
  body["cache_requests"] = "often";
  const auto wrong = refused(body);
  EXPECT_EQ(wrong.where, "cache_requests");
  EXPECT_NE(wrong.message.find("refresh"), std::string::npos) << wrong.message;
  body = smallest();
  body["use_cache"] = 1;
  EXPECT_EQ(refused(body).where, "use_cache");
  body = smallest();
  body["rewrite_requests_cache"] = "yes";
  EXPECT_EQ(refused(body).where, "rewrite_requests_cache");
}

TEST(run_request, ReadsWhatTheRunMayCost) {
  auto body = smallest();
  EXPECT_FALSE(accepted(body).max_cost);
  body["max_cost"] = 2.5;
  EXPECT_EQ(accepted(body).max_cost, from_dollars(2.5));
  body["max_cost"] = -1;
  EXPECT_EQ(refused(body).where, "max_cost");
}

TEST(run_request, TreatsNullAsAbsent) {
  auto body = smallest();
  for (const auto* key : {"limit", "configuration", "gen_kwargs", "metadata", "temperature", "depends_on"})
    body[key] = nullptr;
  EXPECT_FALSE(accepted(body).limit);
}

TEST(run_request, SurvivesBodiesOfAnyShape) {
  std::mt19937 random{20240101};
  const std::vector<std::string> keys{"model_id",   "model",      "task_ids", "configuration",
                                      "gen_kwargs", "limit",      "metadata", "stop",
                                      "depends_on", "batch_size", "use_cache"};
  const auto value = [&](auto& self, int depth) -> json {
    switch (random() % (depth > 2 ? 6 : 8)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<int64_t>(random()) - 2'000'000'000;
    case 3:
      return 1e18 * static_cast<double>(random());
    case 4:
      return std::string(random() % 300, 'x');
    case 5:
      return "task";
    case 6:
      return json::array({self(self, depth + 1), self(self, depth + 1)});
    default:
      return json{{keys[random() % keys.size()], self(self, depth + 1)}};
    }
  };
  for (int round = 0; round < 5000; ++round) {
    auto body = json::object();
    for (auto count = random() % 6; count > 0; --count)
      body[keys[random() % keys.size()]] = value(value, 0);
    const auto answer = run_request_from_json(body);
    if (!answer) {
      EXPECT_FALSE(answer.error().message.empty());
    }
  }
}

TEST(closest_word, FindsLikelyMisspellingsOnly) {
  constexpr std::string_view words[] = {"temperature", "top_p", "limit"};
  EXPECT_EQ(closest_word("temprature", words), "temperature");
  EXPECT_EQ(closest_word("ilmit", words), "limit");
  EXPECT_EQ(closest_word("xyz", words), "");
  EXPECT_EQ(closest_word("", words), "");
  EXPECT_EQ(closest_word(std::string(1000, 'a'), words), "");
}

TEST(run_request, SaysHowItsCallsGo) {
  EXPECT_EQ(accepted(smallest()).execution, execution_wish::online);
  EXPECT_EQ(accepted(with("execution", "batch")).execution, execution_wish::batch);
  EXPECT_EQ(accepted(with("configuration", {{"execution", "auto"}})).execution, execution_wish::automatic);
  EXPECT_EQ(refused(with("execution", "sometimes")).where, "execution");
}
