#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;

/// Runs of one small task over a fake farm.
class edge_comparisons_test : public edge_test {
protected:
  /// @returns the id of a run whose first @p right samples are right and the next @p failed failed.
  std::string run_of(const std::string& owner, uint32_t right, uint32_t failed = 0) {
    const auto run = farm_.put_run(owner, run_state::completed).spec.id;
    farm_.change_run(run, [](run_record& record) {
      record.spec.prompt_types = {"baseline"};
      record.spec.tasks.at(0).definition =
          "id: arithmetic\nname: Sums\ndescription: Small sums.\nlanguages: [en]\ndataset: /sums.jsonl\n"
          "prompt: \"{a}\"\ntarget: \"{b}\"\nscorer: {type: exact_match}\n";
      record.spec.tasks.at(0).dataset_hash = "hash";
    });
    farm_.finish_samples(run, 0, right);
    if (failed > 0)
      farm_.finish_samples(run, right, failed, sample_status::failed);
    return to_string(run);
  }
};

TEST_F(edge_comparisons_test, ComparesWhatBothHaveScored) {
  start();
  const auto first = run_of("eva", 30, 5);
  const auto second = run_of("eva", 32);
  const auto reply = get("/comparisons?runs=" + first + "," + second, user("eva", "evaluator"));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto body = reply.json();
  ASSERT_EQ(body["comparisons"].size(), 1u);
  const auto& row = body["comparisons"][0];
  EXPECT_EQ(row["task_id"], "arithmetic");
  EXPECT_EQ(row["prompt_type"], "baseline");
  EXPECT_EQ(row["pairs"], 30);
  EXPECT_EQ(row["unmatched_first"], 0) << "failed samples have no score";
  EXPECT_EQ(row["unmatched_second"], 2);
  EXPECT_EQ(row["unmatched_samples"], json::array({"arithmetic:baseline:30", "arithmetic:baseline:31"}));
  EXPECT_EQ(row["difference"], 0.0);
  EXPECT_EQ(row["test"], "mcnemar_exact");
  EXPECT_EQ(row["finding"], "unclear");
  EXPECT_EQ(body["runs"][1]["evaluation_id"], second);
}

TEST_F(edge_comparisons_test, ReadsMoreThanOnePage) {
  start();
  const auto first = run_of("admin", 1200);
  const auto second = run_of("admin", 1100);
  const auto body = get("/comparisons?runs=" + first + "," + second, admin()).json();
  EXPECT_EQ(body["comparisons"][0]["pairs"], 1100) << body;
}

TEST_F(edge_comparisons_test, ComparesRunsWhoseTasksHaveNoDefinition) {
  start();
  const auto asked = run_of("admin", 20);
  const auto imported = run_of("admin", 20);
  farm_.change_run(*run_id_from_string(imported), [](run_record& record) {
    record.spec.prompt_types = {"imported"};
    record.spec.tasks.at(0).definition.clear();
    record.spec.tasks.at(0).dataset_hash.clear();
  });
  const auto body = get("/comparisons?runs=" + asked + "," + imported, admin()).json();
  EXPECT_EQ(body["comparisons"][0]["pairs"], 20) << body;
  EXPECT_EQ(body["comparisons"][0]["prompt_type"], "baseline / imported");
  EXPECT_EQ(body["notes"].size(), 1u);
}

TEST_F(edge_comparisons_test, RefusesWhatMakesNoSense) {
  start();
  const auto one = run_of("admin", 3);
  const auto two = run_of("admin", 3);
  const auto field = [&](const std::string& query) {
    return get("/comparisons?" + query, admin()).json()["error"]["field"];
  };
  EXPECT_EQ(field("runs=" + one), "runs") << "one is none too many";
  EXPECT_EQ(field("runs=" + one + ",x"), "runs");
  EXPECT_EQ(field(""), "runs");
  EXPECT_EQ(field("runs=" + one + "," + two + "&confidence=2"), "confidence");
  EXPECT_EQ(field("runs=" + one + "," + two + "&task=none_such"), "task");
  EXPECT_EQ(field("runs=" + one + "," + two + "&scorer=none_such"), "scorer");
  EXPECT_EQ(get("/comparisons?runs=" + one + "," + two + "&scorer=exact_match", admin()).status, 200);
  EXPECT_EQ(get("/comparisons?runs=" + one + ",eval_1704110400_00ffffff", admin()).status, 404);
}

TEST_F(edge_comparisons_test, ShowsNobodyTheRunsOfOthers) {
  start();
  const auto mine = run_of("eva", 3);
  const auto other = run_of("otto", 3);
  const auto path = "/comparisons?runs=" + mine + "," + other;
  EXPECT_EQ(get(path, user("eva", "evaluator")).status, 404);
  EXPECT_EQ(get(path).status, 401);
  EXPECT_EQ(get(path, user("vera", "viewer")).status, 200);
}
