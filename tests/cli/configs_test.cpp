#include "binary_fixture.hpp"

#include <algorithm>

namespace assay::cli::test {
namespace {

using nlohmann::json;

class model_configs : public binary {
protected:
  json listed() const { return json::parse(assay({"configs", "--json"}).out)["model_configs"]; }
};

TEST_F(model_configs, AreSetShownAndDeletedWithoutAServer) {
  EXPECT_EQ(assay({"configs"}).out, "no model configuration is stored\n");
  const auto made = assay({"configs", "set", "cold", "model_type=mock", "model=sim-strong", "temperature=0.1",
                           "task_optimizations.bug_fix.max_tokens=64", "stop_sequences=[\"END\"]", "--json"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(json::parse(made.out)["version"], 1);
  const auto changed = assay({"configs", "set", "cold", "temperature=0.2", "stop_sequences=null"});
  ASSERT_EQ(changed.code, 0) << changed.err;
  EXPECT_NE(changed.out.find("cold is at version 2"), std::string::npos) << changed.out;
  const auto shown = json::parse(assay({"configs", "show", "cold"}).out);
  EXPECT_EQ(shown["configuration"],
            json::parse(R"({"model_type":"mock","model":"sim-strong","temperature":0.2,
                                                   "task_optimizations":{"bug_fix":{"max_tokens":64}}})"));
  EXPECT_EQ(
      json::parse(assay({"configs", "show", "cold", "--version", "1"}).out)["configuration"]["temperature"],
      0.1);
  const auto history = assay({"configs", "history", "cold"});
  EXPECT_NE(history.out.find("temperature: 0.1 -> 0.2"), std::string::npos) << history.out;
  EXPECT_NE(assay({"configs", "set", "cold", "temperature=0.3", "--if-version", "1"}).code, 0) << "stale";
  EXPECT_EQ(listed().size(), 1U);
  EXPECT_EQ(assay({"configs", "delete", "cold"}).code, 0);
  EXPECT_EQ(assay({"configs", "show", "cold"}).code, 4);
  EXPECT_EQ(json::parse(assay({"configs", "history", "cold", "--json"}).out)["versions"].size(), 3U);
}

TEST_F(model_configs, WhatIsWrongIsNamed) {
  const auto refused = assay({"configs", "set", "cold", "model_type=mock", "temperature=9"});
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.err.find("temperature"), std::string::npos) << refused.err;
  const auto key = assay({"configs", "set", "cold", "model_type=openai_gpt", "api_key=sk-very-secret"});
  EXPECT_NE(key.code, 0);
  EXPECT_NE(key.err.find("assay keys"), std::string::npos) << key.err;
  EXPECT_EQ(key.err.find("sk-very-secret"), std::string::npos) << key.err;
  const auto far = assay({"configs", "set", "cold", "model_type=openai_gpt", "base_url=http://10.0.0.7/v1"});
  EXPECT_NE(far.code, 0);
  EXPECT_NE(far.err.find("base_url"), std::string::npos) << far.err;
  EXPECT_NE(assay({"configs", "set", "a/b", "model_type=mock"}).err.find("ID"), std::string::npos);
  EXPECT_NE(assay({"configs", "set", "cold"}).code, 0);
  EXPECT_NE(assay({"configs", "set", "cold", "temperature"}).code, 0);
  EXPECT_EQ(listed(), json::array());
}

TEST_F(model_configs, GoOutAndComeBackAsAFile) {
  std::ofstream(folder + "/in.yaml")
      << "models:\n  one:\n    model_type: mock\n    model: sim-strong\n"
         "    api_key: ${SOME_KEY}\n  two: {model_type: mock, model: sim-weak}\n";
  const auto dry = assay({"configs", "import", "in.yaml", "--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_NE(dry.out.find("one would be created"), std::string::npos) << dry.out;
  EXPECT_EQ(listed(), json::array());
  ASSERT_EQ(assay({"configs", "import", "in.yaml"}).code, 0);
  EXPECT_EQ(listed().size(), 2U);
  ASSERT_EQ(assay({"configs", "export", "--out", "out.yaml"}).code, 0);
  const auto again = assay({"configs", "import", "out.yaml", "--json"});
  EXPECT_EQ(json::parse(again.out)["unchanged"].size(), 2U) << again.out;
  EXPECT_EQ(assay({"configs", "export", "two"}).out.find("one"), std::string::npos);
  std::ofstream(folder + "/bad.yaml") << "models:\n  three: {model_type: mock}\n  four:\n    top_p: 7\n";
  const auto bad = assay({"configs", "import", "bad.yaml"});
  EXPECT_NE(bad.code, 0);
  EXPECT_NE(bad.err.find("bad.yaml:4"), std::string::npos) << bad.err;
  EXPECT_EQ(listed().size(), 2U) << "all or none";
}

TEST_F(model_configs, ARunMayNameOneAndPinsItsVersion) {
  write_task(3);
  ASSERT_NO_FATAL_FAILURE(start_mock());
  ASSERT_EQ(assay({"configs", "set", "cold", "model_type=mock", "model=sim-strong", "top_p=0.5"}).code, 0);
  const auto run = assay({"run", "-m", "cold", "-t", "sums/sums.yaml", "--prompt-types", "plain", "--json"});
  ASSERT_EQ(run.code, 0) << run.out << run.err;
  const auto list = json::parse(assay({"results", "--json"}).out);
  EXPECT_NE(list.dump().find("\"cold\""), std::string::npos) << list;
  const auto plan =
      assay({"run", "-m", "cold", "-t", "sums/sums.yaml", "--prompt-types", "plain", "--dry-run", "--json"});
  EXPECT_NE((plan.out + plan.err).find("version 1 of its stored configuration"), std::string::npos)
      << plan.out << plan.err;
}

TEST_F(model_configs, OptimizedSaysThatNothingSpeaksForAnything) {
  ASSERT_EQ(assay({"configs", "set", "cold", "model_type=mock", "model=sim-strong", "temperature=0.7",
                   "task_optimizations.bug_fix.temperature=0.1"})
                .code,
            0);
  const auto shown =
      assay({"configs", "optimized", "cold", "--task-type", "bug_fix", "--strategy", "QUALITY", "--json"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const auto found = json::parse(shown.out);
  EXPECT_EQ(found["configuration"]["temperature"], 0.1);
  EXPECT_EQ(found["evidence"], false);
  EXPECT_EQ(found["strategy"], "quality");
  EXPECT_NE(assay({"configs", "optimized", "cold", "--task-type", "bug_fix"}).out.find("task_optimizations"),
            std::string::npos);
  EXPECT_NE(assay({"configs", "optimized", "cold", "--task-type", "x", "--strategy", "best"}).code, 0);
}

} // namespace
} // namespace assay::cli::test
