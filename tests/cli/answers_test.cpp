#include "binary_fixture.hpp"

#include <set>

namespace assay::cli::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class answers : public binary {};

TEST_F(answers, RunsAnEvaluationOfTheConfigurationByItsName) {
  write_task(6);
  start_mock();
  std::ofstream(folder + "/evaluation_configs.yaml")
      << "evaluations:\n"
         "  nightly:\n    description: Every night.\n    models: [sim-p100, sim-p0]\n    tasks: [sums]\n"
         "    configuration: {limit: 3, temperature: 0, output_base_path: results/nightly, log_samples: "
         "true}\n"
         "  broken:\n    models: [sim-p100]\n    tasks: [sums]\n    configuration: {limit: 0}\n";
  environment["ASSAY_TASKS_DIRS"] = "[sums]";
  environment["RESULTS_DIR"] = "kept";
  const std::vector<std::string> named{"run", "--config", "evaluation_configs.yaml", "--evaluation"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), named.begin(), named.end());
    return assay(more);
  };
  const auto plan = with({"nightly", "--dry-run", "--json"});
  ASSERT_EQ(plan.code, 0) << plan.err;
  EXPECT_EQ(json::parse(plan.out)["calls"], 6);
  const auto shown = with({"nightly", "--dry-run", "--show_config"});
  EXPECT_NE(shown.out.find("\"nightly\""), std::string::npos) << shown.out;

  const auto done = with({"nightly", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out)["evaluations"].size(), 2U);
  size_t results = 0;
  size_t samples = 0;
  for (const auto& file : fs::recursive_directory_iterator(folder + "/kept/nightly")) {
    results += file.path().extension() == ".json" ? 1 : 0;
    samples += file.path().extension() == ".jsonl" ? 1 : 0;
  }
  EXPECT_EQ(results, 2U) << "below RESULTS_DIR";
  EXPECT_EQ(samples, 2U);

  const auto flags_win = with({"nightly", "-m", "sim-p100", "--limit", "2", "--dry-run", "--json"});
  EXPECT_EQ(json::parse(flags_win.out)["calls"], 2) << flags_win.err;
  const auto unknown = with({"nightli"});
  EXPECT_EQ(unknown.code, 4);
  EXPECT_NE(unknown.err.find("nightly, broken"), std::string::npos) << unknown.err;
  const auto broken = with({"broken"});
  EXPECT_EQ(broken.code, 2);
  EXPECT_NE(broken.err.find("evaluations.broken.configuration.limit"), std::string::npos) << broken.err;
}

TEST_F(answers, LetsResultsLandBelowTheFolderOfResults) {
  write_task(2);
  start_mock();
  environment["RESULTS_DIR"] = "kept";
  ASSERT_EQ(assay({"run", "-m", "sim-p100", "-t", "sums/sums.yaml", "-o", "one.json"}).code, 0);
  EXPECT_TRUE(fs::exists(folder + "/kept/one.json"));
  ASSERT_EQ(assay({"results", "last", "-o", "results/two.json"}).code, 0);
  EXPECT_TRUE(fs::exists(folder + "/kept/two.json"));
  ASSERT_EQ(assay({"results", "last", "-o", "./three.json"}).code, 0);
  EXPECT_TRUE(fs::exists(folder + "/three.json")) << "./ is where one stands";
}

TEST_F(answers, NeedsAKeyToAskButNotToPlan) {
  write_task(2);
  const auto plan = assay({"run", "--model", "gpt-4o-mini", "-t", "sums/sums.yaml", "--dry-run", "--json"});
  EXPECT_EQ(plan.code, 0) << plan.err;
  EXPECT_EQ(json::parse(plan.out)["calls"], 2);
  EXPECT_NE(plan.err.find("OPENAI_API_KEY"), std::string::npos) << plan.err;
  const auto refused = assay({"run", "--model", "gpt-4o-mini", "-t", "sums/sums.yaml"});
  EXPECT_EQ(refused.code, 5);
  EXPECT_NE(refused.err.find("--model: "), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("set OPENAI_API_KEY"), std::string::npos) << refused.err;
  EXPECT_EQ(refused.err.find("--provider"), std::string::npos) << refused.err;
}

TEST_F(answers, NamesTheRangeOfANumber) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{"serve", "--port", "80000"}, "65535"},
      {{"mock-provider", "--port", "80000"}, "65535"},
      {{"mock-provider", "--rpm", "-5"}, "4294967295"},
      {{"mock-provider", "--tokens-per-second", "-5"}, "1000000.0"},
      {{"runs", "--limit", "0"}, "1 to 1000000"},
      {{"results", "--limit", "many"}, "1 to 1000000"},
      {{"show", "last", "--limit", "-1"}, "1 to 1000000"},
      {{"run", "-m", "sim-strong", "-t", "x", "--epochs", "-1"}, "1000"},
      {{"run", "-m", "sim-strong", "-t", "x", "--priority", "many"}, "100"}};
  for (const auto& [words, most] : wrong) {
    const auto done = assay(words);
    EXPECT_EQ(done.code, 2);
    EXPECT_NE(done.err.find(words[words.size() - 2]), std::string::npos) << done.err;
    EXPECT_NE(done.err.find(most), std::string::npos) << done.err;
  }
}

TEST_F(answers, NamesWhatATaskFilterCouldBe) {
  const auto done = assay({"tasks", "--category", "nope"});
  EXPECT_EQ(done.code, 2);
  EXPECT_NE(done.err.find("--category"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("single_turn"), std::string::npos) << done.err;
  EXPECT_EQ(assay({"tasks", "--language", "zh"}).code, 0);
  EXPECT_EQ(assay({"tasks", "--difficulty", "impossible"}).code, 2);
}

TEST_F(answers, ShowsTheTasksOfAGroup) {
  const auto done = assay({"tasks", "show", "chinese"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.out.find("chinese_arithmetic"), std::string::npos) << done.out;
  EXPECT_EQ(json::parse(assay({"tasks", "show", "chinese", "--json"}).out)["group"], "chinese");
}

TEST_F(answers, ListsEachChatModelOnce) {
  std::ofstream(folder + "/models.yaml") << "models:\n  claude-3-haiku: {model_type: anthropic_claude}\n";
  const auto models =
      json::parse(assay({"models", "--all", "--json", "--config", "models.yaml"}).out)["models"];
  size_t haikus = 0;
  for (const auto& model : models) {
    const auto id = model["model_id"].get<std::string>();
    EXPECT_EQ(id.find("embedding"), std::string::npos) << id;
    haikus += id.starts_with("claude-3-haiku") ? 1 : 0;
  }
  EXPECT_EQ(haikus, 1U);
  EXPECT_GT(models.size(), 20U);
}

TEST_F(answers, ListsModelsThatMakeVectorsWhenAsked) {
  const auto ids = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"models", "--json"});
    std::set<std::string> out;
    const auto listed = json::parse(assay(words).out);
    for (const auto& model : listed["models"])
      out.insert(model["model_id"].get<std::string>());
    return out;
  };
  const auto vectors = ids({"--all", "--kind", "embeddings"});
  EXPECT_TRUE(vectors.contains("text-embedding-3-small"));
  EXPECT_TRUE(vectors.contains("gemini-embedding-001"));
  EXPECT_FALSE(vectors.contains("gpt-4o"));
  EXPECT_TRUE(ids({"--kind", "embeddings"}).empty()) << "no provider has a key";
  const auto any = ids({"--all", "--kind", "any"});
  EXPECT_TRUE(any.contains("text-embedding-3-small"));
  EXPECT_TRUE(any.contains("gpt-4o"));
  environment["OPENAI_API_KEY"] = "k";
  EXPECT_TRUE(ids({"--kind", "embeddings"}).contains("text-embedding-3-small"));
  EXPECT_FALSE(ids({"--kind", "embeddings"}).contains("gemini-embedding-001"));
  EXPECT_FALSE(ids({}).contains("text-embedding-3-small"));
  EXPECT_EQ(assay({"models", "--kind", "pictures"}).code, 2);
}

TEST_F(answers, SaysThatAValueIsIgnored) {
  environment["DEBUG"] = "maybe";
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"models"},
        {"tasks"},
        {"run", "-m", "sim-strong", "-t", "unit_conversion", "--dry-run"}}) {
    const auto done = assay(words);
    EXPECT_EQ(done.code, 0);
    const auto first = done.err.find("DEBUG is ignored");
    ASSERT_NE(first, std::string::npos) << done.err;
    EXPECT_EQ(done.err.find("DEBUG is ignored", first + 1), std::string::npos) << "once: " << done.err;
  }
}

TEST_F(answers, MakesNoFolderForAPortFile) {
  for (const auto* command : {"serve", "mock-provider"}) {
    const auto done = assay({command, "--port", "0", "--port-file", "nobody/made/this.port"});
    EXPECT_EQ(done.code, 2) << done.err;
    EXPECT_NE(done.err.find("nobody/made/this.port"), std::string::npos) << done.err;
    EXPECT_FALSE(fs::exists(folder + "/nobody"));
  }
}

TEST_F(answers, SaysWhatBecameOfEachTryOfASample) {
  write_task(1);
  start_mock({"--fault", "status:status=400,times=1"});
  ASSERT_EQ(assay({"run", "-m", "sim-p100", "-t", "sums/sums.yaml"}).code, 5);
  const auto sample = assay({"show", "last", "sums:plain:0"});
  EXPECT_EQ(sample.code, 0) << sample.err;
  EXPECT_NE(sample.out.find("given up"), std::string::npos) << sample.out;
  EXPECT_EQ(sample.out.find("retry after"), std::string::npos) << sample.out;
  EXPECT_EQ(sample.out.find("tried again"), std::string::npos) << "it was not: " << sample.out;
}

} // namespace
} // namespace assay::cli::test
