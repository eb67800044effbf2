#include "core/reports/lm_eval_import.hpp"
#include "tests/reports/report_world.hpp"

#include <gmock/gmock.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace assay::reports::test {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class lm_eval_import : public ::testing::Test {
protected:
  lm_eval_import() {
    path_ = std::filesystem::temp_directory_path()
            / ("assay-import-" + std::to_string(::getpid()) + "-"
               + ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl");
  }
  ~lm_eval_import() override { std::filesystem::remove(path_); }

  result<lm_eval_samples> read(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return lm_eval_samples::read(path_.string());
  }
  std::string fault_of(const std::string& text) {
    const auto out = read(text);
    if (out)
      return {};
    const auto colon = out.error().where.rfind(':');
    return (colon == std::string::npos ? "" : out.error().where.substr(colon)) + " " + out.error().message;
  }

  std::filesystem::path path_;
};

constexpr const char* good =
    R"({"doc_id": 0, "doc": {"q": "a"}, "target": "4", "arguments": {"gen_args_0": {"arg_0": "2+2?", "arg_1": {}}}, )"
    R"("resps": [["It is 4"]], "filtered_resps": ["4"], "filter": "strict", "metrics": ["exact_match"], "exact_match": 1.0})";

TEST_F(lm_eval_import, ReadsALine) {
  const auto line = read_lm_eval_line(good, "f:1");
  ASSERT_TRUE(line) << to_string(line.error());
  EXPECT_EQ(line->prompt, "2+2?");
  EXPECT_EQ(line->answer, "It is 4");
  EXPECT_EQ(line->filtered, "4");
  EXPECT_EQ(line->target, "4");
  EXPECT_THAT(line->metrics, ElementsAre(std::pair<std::string, double>{"exact_match", 1.0}));
}

TEST_F(lm_eval_import, ReadsArgumentsOfOlderFilesAndConversations) {
  const auto older = read_lm_eval_line(
      R"({"doc_id": 1, "arguments": [["ctx", {"until": []}]], "resps": [["x"]], "metrics": []})", "f:1");
  ASSERT_TRUE(older);
  EXPECT_EQ(older->prompt, "ctx");
  const auto turns = read_lm_eval_line(
      R"({"doc_id": 1, "arguments": [["[{\"role\": \"user\", \"content\": \"hi\"}]", {}]], "resps": [["x"]]})",
      "f:1");
  ASSERT_TRUE(turns);
  EXPECT_EQ(turns->prompt, "hi");
}

TEST_F(lm_eval_import, NamesTheLineAndWhatWasExpected) {
  const std::string first = std::string(good) + "\n";
  EXPECT_THAT(fault_of(first + "[1]\n"), ::testing::StartsWith(":2 expected a JSON object"));
  EXPECT_THAT(fault_of(first + "\n{\"doc_id\": -1}\n"), HasSubstr(":3 \"doc_id\" must be"));
  EXPECT_THAT(fault_of("{\"doc_id\": 1}\n"), HasSubstr("\"resps\" must be a list"));
  EXPECT_THAT(fault_of(first + first), HasSubstr(":2 document 0 stands twice"));
  EXPECT_THAT(fault_of(R"({"doc_id": 0, "resps": [], "metrics": ["acc"], "acc": "good"})"),
              HasSubstr("\"acc\" must be a number"));
  EXPECT_THAT(fault_of(R"({"doc_id": 0, "resps": [], "metrics": ["acc"]})"), HasSubstr("has no value"));
  EXPECT_THAT(fault_of(""), EndsWith("there is no sample in the file"));
}

TEST_F(lm_eval_import, JoinsTheLinesOfOneDocument) {
  auto second = std::string(good);
  second.replace(second.find("strict"), 6, "loose");
  second.replace(second.find(": 1.0"), 5, ": 0.0");
  const auto samples = read(std::string(good) + "\n" + second + "\n");
  ASSERT_TRUE(samples) << to_string(samples.error());
  EXPECT_THAT(samples->scorers(), ElementsAre("exact_match,strict", "exact_match,loose"));
  EXPECT_EQ(samples->samples(), 1U);
  size_t seen = 0;
  const auto walked =
      samples->for_each([&](sample_record&& sample, response_record&& response) -> result<void> {
        ++seen;
        EXPECT_EQ(sample.scores.size(), 2U);
        EXPECT_EQ(sample.scores[1].value, 0.0);
        EXPECT_EQ(response.answer.view(), "It is 4");
        return {};
      });
  EXPECT_TRUE(walked);
  EXPECT_EQ(seen, 1U);
}

TEST_F(lm_eval_import, ReadsWhatWeExport) {
  const auto world = make_world(15, 3);
  auto options = options_for(export_format::lm_eval);
  options.samples_part = true;
  options.unit = export_unit{0, 0};
  const auto samples = read(exported(world, options));
  ASSERT_TRUE(samples) << to_string(samples.error());
  EXPECT_EQ(samples->samples(), 45U);
  EXPECT_EQ(samples->epochs(), 3U);
  EXPECT_THAT(samples->scorers(), ElementsAre("exact_match", "exact_match,strict-match"));
  EXPECT_EQ(samples->summaries()[0].count, 42U) << "one document has failed in each epoch";
}

TEST_F(lm_eval_import, ReadsTheResultsFile) {
  const auto world = make_world();
  const auto results = read_lm_eval_results(exported(world, options_for(export_format::lm_eval)), "f");
  ASSERT_TRUE(results) << to_string(results.error());
  EXPECT_EQ(results->model, "lab/model:1");
  EXPECT_EQ(results->metrics.at("questions").at("exact_match,none"), 0.5);
  EXPECT_EQ(results->metrics.at("questions").count("exact_match_stderr,none"), 0U);
  EXPECT_FALSE(read_lm_eval_results("{}", "f"));
}

TEST_F(lm_eval_import, KnowsTheTaskOfAFile) {
  EXPECT_EQ(task_of_samples_file("samples_gsm8k_2024-01-01T12-00-00.123456.jsonl"), "gsm8k");
  EXPECT_EQ(task_of_samples_file("samples_mmlu_flan_cot_2024-01-01T12-00-00.123456.jsonl"), "mmlu_flan_cot");
  EXPECT_EQ(task_of_samples_file("samples_gsm8k.jsonl"), "gsm8k");
  EXPECT_FALSE(task_of_samples_file("answers.jsonl"));
}

} // namespace
} // namespace assay::reports::test
