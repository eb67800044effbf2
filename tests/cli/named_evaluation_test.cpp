#include "cli/named_evaluation.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::cli {
namespace {

using nlohmann::json;

config::settings settings_with(const json& configuration) {
  config::settings out;
  out.results_dir = "/srv/results";
  out.evaluations.push_back({"baseline_test", "", {"a", "b"}, {"t", "u"}, configuration.dump()});
  out.evaluations.push_back({"comparison", "", {"a"}, {"t"}, "{}"});
  return out;
}

run_flags named(const std::string& name) {
  run_flags out;
  out.evaluation = name;
  return out;
}

/// The configuration of the request that the flags become.
json configuration_of(const run_flags& flags) {
  json body;
  EXPECT_FALSE(request_body(flags, "a", {"t"}, body));
  const auto request = run_request_from_json(body);
  EXPECT_TRUE(request) << to_string(request.error());
  return body["configuration"];
}

TEST(with_evaluation, LeavesFlagsThatNameNone) {
  run_flags flags;
  flags.models = {"m"};
  const auto out = with_evaluation(flags, settings_with({{"limit", 3}})).value();
  EXPECT_EQ(out.models, flags.models);
  EXPECT_EQ(configuration_of(out), json::object());
}

TEST(with_evaluation, TakesModelsTasksParametersAndThePlaceOfResults) {
  const auto settings = settings_with({{"limit", 10},
                                       {"num_fewshot", 0},
                                       {"batch_size", 1},
                                       {"log_samples", true},
                                       {"temperature", 0.7},
                                       {"max_tokens", 1024},
                                       {"output_base_path", "results/baseline"}});
  const auto out = with_evaluation(named("baseline_test"), settings).value();
  EXPECT_EQ(out.models, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(out.tasks, (std::vector<std::string>{"t", "u"}));
  EXPECT_EQ(out.output_path, "/srv/results/baseline");
  EXPECT_EQ(out.log_samples, true);
  const auto configuration = configuration_of(out);
  EXPECT_EQ(configuration["limit"], 10);
  EXPECT_EQ(configuration["temperature"], 0.7);
  EXPECT_EQ(configuration["max_tokens"], 1024);
}

TEST(with_evaluation, LetsFlagsWinWhateverTheParameterIsCalled) {
  const auto settings = settings_with({{"limit", 10},
                                       {"log_samples", true},
                                       {"max_tokens", 1024},
                                       {"stop", {"x"}},
                                       {"gen_kwargs", {{"temperature", 0.7}, {"top_p", 0.5}}},
                                       {"output_base_path", "results/baseline"}});
  auto flags = named("baseline_test");
  flags.models = {"other"};
  flags.limit = "2";
  flags.log_samples = false;
  flags.output_path = "./here";
  flags.gen_kwargs = {"temperature=0,max_gen_toks=7,until=\\n"};
  const auto out = with_evaluation(flags, settings).value();
  EXPECT_EQ(out.models, flags.models);
  EXPECT_EQ(out.tasks.size(), 2U);
  EXPECT_EQ(out.output_path, "./here");
  const auto configuration = configuration_of(out);
  EXPECT_EQ(configuration["limit"], 2);
  EXPECT_EQ(configuration["log_samples"], false);
  EXPECT_FALSE(configuration.contains("max_tokens"));
  EXPECT_FALSE(configuration.contains("stop"));
  EXPECT_FALSE(configuration.contains("output_base_path"));
  EXPECT_EQ(configuration["gen_kwargs"],
            json({{"temperature", 0}, {"top_p", 0.5}, {"max_gen_toks", 7}, {"until", {"\n"}}}));
}

TEST(with_evaluation, NamesTheKnownOnesForAnUnknownName) {
  const auto near = with_evaluation(named("baseline-test"), settings_with(json::object()));
  ASSERT_FALSE(near);
  EXPECT_EQ(near.error().code, errc::not_found);
  EXPECT_EQ(near.error().where, "--evaluation");
  EXPECT_NE(near.error().hint.find("baseline_test, comparison"), std::string::npos) << near.error().hint;
  EXPECT_FALSE(with_evaluation(named("x"), config::settings{})) << "there are none";
}

TEST(with_evaluation, RefusesAPlaceOutsideOfTheResultsFolder) {
  const auto refused = with_evaluation(named("baseline_test"), settings_with({{"output_base_path", "../x"}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, "evaluations.baseline_test.configuration.output_base_path");
}

TEST(place_in_evaluation, FindsTheLineThatAFaultIsAbout) {
  auto flags = named("baseline_test");
  flags.limit = "3";
  const auto settings = settings_with({{"limit", 10}, {"epochs", 0}, {"gen_kwargs", {{"top_p", 7}}}});
  const auto out = with_evaluation(flags, settings).value();
  EXPECT_EQ(place_in_evaluation(out, "epochs"), "evaluations.baseline_test.configuration.epochs");
  EXPECT_EQ(place_in_evaluation(out, "gen_kwargs.top_p"),
            "evaluations.baseline_test.configuration.gen_kwargs.top_p");
  EXPECT_EQ(place_in_evaluation(out, "task_ids[1]"), "evaluations.baseline_test.tasks");
  EXPECT_EQ(place_in_evaluation(out, "model_id"), "evaluations.baseline_test.models");
  EXPECT_EQ(place_in_evaluation(out, "limit"), "") << "the flag said it";
  EXPECT_EQ(place_in_evaluation({}, "limit"), "");
}

} // namespace
} // namespace assay::cli
