#include "core/tasks/lm_eval/task_config.hpp"
#include "core/tasks/preparation.hpp"
#include "core/tasks/sample_source.hpp"
#include "core/tasks/task_catalogue.hpp"
#include "tests/tasks/tasks_support.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>

namespace assay::tasks {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* numbers = R"yaml(task: numbers
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl, train: train.jsonl}}
test_split: test
fewshot_split: train
doc_to_text: "Q: {{question}}\nA:"
doc_to_target: "{{answer}}"
num_fewshot: 2
generation_kwargs: {until: ["Q:"], do_sample: false, temperature: 0.0}
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
    ignore_case: true
    regexes_to_ignore: [",", "\\$"]
filter_list:
  - name: strict-match
    filter: [{function: regex, regex_pattern: "#### (\\-?[0-9\\.\\,]+)"}, {function: take_first}]
  - name: flexible-extract
    filter: [{function: regex, group_select: -1, regex_pattern: "(-?[0-9.,]+)"}, {function: take_first}]
metadata: {version: 3.0}
)yaml";

/// Tasks of lm-evaluation-harness.
class lm_eval_tasks : public folder_test {
protected:
  lm_eval_tasks() {
    write("rows.jsonl", R"({"question":"one","answer":"1"}
{"question":"two","answer":"2"}
)");
    write("train.jsonl", R"({"question":"three","answer":"3"}
{"question":"four","answer":"4"}
{"question":"five","answer":"5"}
)");
  }

  lm_eval::loaded_file read(const std::string& name) {
    return lm_eval::read_file(folder / name, {folder, {}});
  }

  lm_eval::loaded_file read_text(const std::string& yaml) {
    write("task.yaml", yaml);
    return read("task.yaml");
  }

  std::string with(const std::string& line) { return std::string(numbers) + line + "\n"; }

  /// The mistakes of a task that has @p line at its end.
  std::vector<std::string> mistakes(const std::string& yaml) {
    std::vector<std::string> out;
    for (const auto& one : read_text(yaml).faults)
      out.push_back(to_string(one));
    return out;
  }
};

TEST_F(lm_eval_tasks, ATaskBecomesOneOfOurOwn) {
  write("numbers.yaml", numbers);
  const auto loaded = load_all_tasks(folder / "numbers.yaml", folder);
  ASSERT_TRUE(loaded.faults.empty()) << to_string(loaded.faults.front());
  ASSERT_EQ(loaded.tasks.size(), 1u);
  const auto& task = loaded.tasks.front();
  EXPECT_EQ(task.id.value, "numbers");
  EXPECT_TRUE(task.is_unprepared());
  EXPECT_THAT(task.scorer_names(), ElementsAre("exact_match,strict-match", "exact_match,flexible-extract"));
  EXPECT_TRUE(task.scorer_definitions[0].primary);
  EXPECT_FALSE(task.scorer_definitions[1].primary);
  EXPECT_TRUE(task.scorer_definitions[0].ignore_case);
  EXPECT_FALSE(task.scorer_definitions[0].strip);
  EXPECT_THAT(task.scorer_definitions[0].regexes_to_ignore, ElementsAre(",", "\\$"));
  EXPECT_EQ(task.scorers[1]->score("first 3, then #### 1,234", "1234").value, 1);
  EXPECT_THAT(task.generation.stop, ElementsAre("Q:"));
  EXPECT_EQ(task.generation.max_tokens, 256u);
  EXPECT_EQ(task.generation.temperature, 0);
  EXPECT_EQ(task.lm_eval->num_fewshot, 2u);
}

TEST_F(lm_eval_tasks, WhatIsNotSaidIsAsTheFormatHasIt) {
  const auto loaded = read_text("task: plain\ndataset_path: json\ndataset_kwargs: {data_files: rows.jsonl}\n"
                                "test_split: train\ndoc_to_text: question\ndoc_to_target: answer\n");
  ASSERT_TRUE(loaded.faults.empty()) << to_string(loaded.faults.front());
  const auto config = json::parse(loaded.tasks.front().json);
  EXPECT_EQ(config["output_type"], "generate_until");
  EXPECT_EQ(config["target_delimiter"], " ");
  EXPECT_EQ(config["fewshot_delimiter"], "\n\n");
  EXPECT_EQ(config["generation_kwargs"]["max_gen_toks"], 256);
  EXPECT_THAT(loaded.tasks.front().generation.stop, ElementsAre("\n\n"));
  EXPECT_EQ(json::parse(loaded.tasks.front().scorers)[0]["name"], "exact_match,none");
}

TEST_F(lm_eval_tasks, IncludedKeysComeFirstAndTheFilesOwnWin) {
  write("base/_base.yaml", std::string(numbers) + "description: of the base\n");
  write("task.yaml", "include: base/_base.yaml\ntask: mine\ngeneration_kwargs: {max_gen_toks: 7}\n"
                     "dataset_kwargs: {data_files: {test: rows.jsonl, train: train.jsonl}}\n");
  const auto loaded = read("task.yaml");
  ASSERT_TRUE(loaded.faults.empty()) << to_string(loaded.faults.front());
  const auto& task = loaded.tasks.front();
  EXPECT_EQ(task.name, "mine");
  EXPECT_EQ(json::parse(task.json)["description"], "of the base");
  EXPECT_EQ(task.generation.max_tokens, 7u);
  EXPECT_THAT(task.generation.stop, ElementsAre("\n\n")) << "mappings are not merged";
}

TEST_F(lm_eval_tasks, FilesThatIncludeThemselvesAreRefused) {
  write("_a.yaml", "include: _b.yaml\n");
  write("_b.yaml", "include: _a.yaml\n");
  EXPECT_THAT(mistakes(with("include: _a.yaml")), ElementsAre(HasSubstr("the file includes itself")));
}

TEST_F(lm_eval_tasks, NothingOutsideOfTheFolderIsRead) {
  const auto outside = folder.parent_path() / (folder.filename().string() + "_outside.yaml");
  std::ofstream(outside) << numbers;
  const auto name = outside.filename().string();
  EXPECT_THAT(mistakes(with("include: ../" + name)), ElementsAre(HasSubstr("outside")));
  EXPECT_THAT(mistakes(with("include: " + outside.string())), ElementsAre(HasSubstr("outside")));
  std::filesystem::create_symlink(outside, folder / "_link.yaml");
  EXPECT_THAT(mistakes(with("include: _link.yaml")), ElementsAre(HasSubstr("outside")));
  std::filesystem::create_symlink("/etc/passwd", folder / "link.jsonl");
  const std::string rows =
      "task: x\ndataset_path: json\ntest_split: test\ndoc_to_text: a\ndoc_to_target: b\n";
  EXPECT_THAT(mistakes(rows + "dataset_kwargs: {data_files: {test: link.jsonl}}\n"),
              Contains(HasSubstr("task.yaml:6: dataset_kwargs.data_files.test: the data file lies outside")));
  EXPECT_THAT(mistakes(rows + "dataset_kwargs: {data_files: {test: ../../etc/x.jsonl}}\n"),
              Contains(HasSubstr("outside")));
  std::filesystem::remove(outside);
}

TEST_F(lm_eval_tasks, EveryMistakeIsNamedWithItsLineAndKey) {
  const auto found = mistakes("task: broken\n"
                              "dataset_path: json\n"
                              "dataset_kwargs: {data_files: {test: rows.jsonl}}\n"
                              "test_split: test\n"
                              "doc_to_txt: question\n"
                              "doc_to_target: answer\n"
                              "num_fewshot: many\n"
                              "repeats: 1\n");
  EXPECT_THAT(found, Contains(HasSubstr("task.yaml:5: doc_to_txt: unknown key")));
  EXPECT_THAT(found, Contains(HasSubstr("task.yaml:7: num_fewshot: expected a whole number")));
  EXPECT_EQ(found.size(), 2u);
}

TEST_F(lm_eval_tasks, WhatNeedsLikelihoodsSaysSo) {
  EXPECT_THAT(mistakes(with("output_type: loglikelihood")),
              ElementsAre(HasSubstr("needs the log-probabilities of given texts")));
  EXPECT_THAT(mistakes(with("output_type: nonsense")), ElementsAre(HasSubstr("known: generate_until")));
}

TEST_F(lm_eval_tasks, MultipleChoiceIsAskedByLettersAndNotesWhatItLeavesOut) {
  const auto loaded =
      read_text("task: choice\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\n"
                "test_split: test\noutput_type: multiple_choice\ndoc_to_text: question\n"
                "doc_to_target: answer\ndoc_to_choice: ['1', '2']\n");
  ASSERT_TRUE(loaded.faults.empty()) << to_string(loaded.faults.front());
  EXPECT_EQ(json::parse(loaded.tasks.front().scorers)[0]["type"], "multiple_choice");
  EXPECT_THAT(loaded.tasks.front().notes, Contains(HasSubstr("acc_norm is left out")));
}

TEST_F(lm_eval_tasks, ParquetAndHubNamesPointToTheCommandThatFetches) {
  const std::string rest = "test_split: test\ndoc_to_text: a\ndoc_to_target: b\n";
  EXPECT_THAT(mistakes("task: x\ndataset_path: parquet\n" + rest),
              ElementsAre(HasSubstr("assay tasks fetch")));
  EXPECT_THAT(
      mistakes("task: x\ndataset_path: json\ndataset_kwargs: {data_files: {test: a.parquet}}\n" + rest),
      ElementsAre(HasSubstr("assay tasks fetch")));
  const std::string hub = "task: x\ndataset_path: openai/gsm8k\ndataset_name: main\n" + rest;
  EXPECT_THAT(mistakes(hub), ElementsAre(HasSubstr("assay tasks fetch openai/gsm8k --config main")));
  write("datasets.yaml", "openai/gsm8k:main: {test: rows.jsonl}\n");
  const auto loaded = read_text(hub);
  ASSERT_TRUE(loaded.faults.empty()) << to_string(loaded.faults.front());
  EXPECT_THAT(loaded.tasks.front().rows.files, ElementsAre((folder / "rows.jsonl").string()));
}

TEST_F(lm_eval_tasks, TheConfigurationSaysWhereDataLies) {
  const auto inner = folder / "inner";
  std::filesystem::create_directories(inner);
  const std::string rest = "test_split: test\ndoc_to_text: q\ndoc_to_target: a\n";
  write("inner/hub.yaml", "task: x\ndataset_path: openai/gsm8k\ndataset_name: main\n" + rest);
  write("inner/local.yaml",
        "task: y\ndataset_path: json\ndataset_kwargs: {data_files: {test: ../rows.jsonl}}\n" + rest);
  EXPECT_EQ(load_task_folder(std::span(&inner, 1)).faults.size(), 2U);
  data_places places;
  places.datasets = R"({"openai/gsm8k:main":{"test":")" + (folder / "rows.jsonl").string() + R"("}})";
  auto loaded = load_task_folder(std::span(&inner, 1), places);
  ASSERT_EQ(loaded.faults.size(), 1U);
  EXPECT_THAT(loaded.faults.front().hint, HasSubstr("tasks.roots"));
  const auto hub = loaded.catalogue->find(task_id{"x"});
  ASSERT_NE(hub, nullptr);
  EXPECT_EQ(hub->dataset, (folder / "rows.jsonl").string());
  places.roots = {folder.string()};
  EXPECT_TRUE(load_task_folder(std::span(&inner, 1), places).faults.empty());
  places.datasets = R"({"openai/gsm8k":"/nowhere/rows.jsonl"})";
  loaded = load_task_folder(std::span(&inner, 1), places);
  ASSERT_EQ(loaded.faults.size(), 1U);
  EXPECT_THAT(loaded.faults.front().where, HasSubstr("tasks.datasets.openai/gsm8k"));
}

TEST_F(lm_eval_tasks, GroupsTagsAndListsNameTasks) {
  write("numbers.yaml", with("tag: [arithmetic]"));
  write("list.yaml",
        "dataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\ntest_split: test\n"
        "doc_to_text: question\ndoc_to_target: answer\n"
        "task_list: [{task: first}, {task: second, doc_to_text: answer}]\n");
  write("group.yaml", "group: all_of_them\ntask: [numbers, {group: inner, task: [first, second]}]\n"
                      "aggregate_metric_list: [{metric: exact_match, weight_by_size: true}]\n");
  const auto loaded = load_task_folder(std::span(&folder, 1));
  ASSERT_TRUE(loaded.faults.empty()) << to_string(loaded.faults.front());
  const auto names = [&](const char* group) {
    std::vector<std::string> out;
    for (const auto& id : loaded.catalogue->group(group))
      out.push_back(id.value);
    return out;
  };
  EXPECT_THAT(names("all_of_them"), ElementsAre("first", "numbers", "second"));
  EXPECT_THAT(names("inner"), ElementsAre("first", "second"));
  EXPECT_THAT(names("arithmetic"), ElementsAre("numbers"));
  const std::vector<task_id> asked{task_id{"all_of_them"}};
  const auto pinned = json::parse(loaded.catalogue->aggregates_of(asked));
  ASSERT_EQ(pinned.size(), 1U) << "inner has nothing to say";
  EXPECT_EQ(pinned[0]["name"], "all_of_them");
  EXPECT_EQ(pinned[0]["tasks"], json::array({"first", "numbers", "second"}));
  EXPECT_EQ(pinned[0]["aggregates"][0]["filters"], json::array({"none"}));
  EXPECT_EQ(pinned[0]["aggregates"][0]["weight_by_size"], true);
  const std::vector<task_id> one{task_id{"numbers"}};
  EXPECT_EQ(loaded.catalogue->aggregates_of(one), "");
}

TEST_F(lm_eval_tasks, WhatAGroupCannotDoIsSaid) {
  write("group.yaml", "group: g\ntask: [a]\naggregate_metric_list:\n  - {metric: acc, aggregation: median}\n"
                      "  - {metric: acc, weight: 2}\n  - acc\n");
  const auto faults = read("group.yaml").faults;
  ASSERT_EQ(faults.size(), 3U);
  EXPECT_THAT(faults[0].where, HasSubstr("group.yaml:4: aggregate_metric_list[0].aggregation"));
  EXPECT_THAT(faults[1].where, HasSubstr("aggregate_metric_list[1].weight"));
  EXPECT_THAT(faults[2].where, HasSubstr("aggregate_metric_list[2]"));
}

TEST_F(lm_eval_tasks, ABrokenTaskHidesNoOther) {
  write("broken.yaml", "task: broken\ndataset_path: json\n");
  write("numbers.yaml", numbers);
  const auto loaded = load_task_folder(std::span(&folder, 1));
  EXPECT_FALSE(loaded.faults.empty());
  EXPECT_NE(loaded.catalogue->find(task_id{"numbers"}), nullptr);
}

// -- preparation -------------------------------------------------------------------------------------------

TEST_F(lm_eval_tasks, APreparedTaskIsAnOrdinaryOne) {
  write("numbers.yaml", numbers);
  auto loaded = load_all_tasks(folder / "numbers.yaml", folder);
  ASSERT_TRUE(loaded.faults.empty());
  const auto task = std::make_shared<const task_definition>(std::move(loaded.tasks.front()));
  EXPECT_EQ(sample_source::open(task, {}).error().code, errc::unsupported);
  preparation_options options;
  options.folder = (folder / "prepared").string();
  const auto plan = plan_preparation(task, options);
  ASSERT_TRUE(plan.has_value()) << to_string(plan.error());
  EXPECT_FALSE(plan->is_done());
  EXPECT_TRUE(is_prepared_dataset(plan->rows_path, options.folder));

  auto steps = begin_preparation(*plan);
  ASSERT_TRUE(steps.has_value()) << to_string(steps.error());
  auto first = (*steps)->next();
  ASSERT_TRUE(first.has_value() && *first);
  EXPECT_EQ((*first)->operation, "prepare_lm_eval");
  const auto arguments = json::parse((*first)->arguments);
  EXPECT_EQ(arguments["docs"].size(), 2u);
  EXPECT_EQ(arguments["fewshot_docs"].size(), 3u);
  EXPECT_EQ(arguments["fewshot_seed"], 1234);
  EXPECT_EQ(arguments["num_fewshot"], 2);
  EXPECT_EQ(arguments["task"]["doc_to_text"], "Q: {{question}}\nA:");
  EXPECT_EQ(arguments["columns"], json::array({"answer", "question"}));
  ASSERT_TRUE((*steps)->take(R"({"samples":[
    {"doc_id":0,"doc":{"question":"one"},"messages":[{"role":"system","content":"s"},{"role":"user","content":"Q: one"}],
     "target":"1"},
    {"doc_id":1,"doc":{"question":"two"},"error":{"message":"no such column"}}]})"));
  const auto second = (*steps)->next();
  ASSERT_TRUE(second.has_value()) << to_string(second.error());
  EXPECT_FALSE(*second);
  EXPECT_TRUE(plan->is_done());

  auto made = load_prepared(*plan);
  ASSERT_TRUE(made.has_value()) << to_string(made.error());
  EXPECT_FALSE(made->is_unprepared());
  auto source = sample_source::open(std::make_shared<const task_definition>(std::move(*made)), {});
  ASSERT_TRUE(source.has_value()) << to_string(source.error());
  prepared_sample sample;
  ASSERT_TRUE(*source->next(sample));
  ASSERT_EQ(sample.messages.size(), 2u);
  EXPECT_EQ(sample.messages[1].content.view(), "Q: one");
  EXPECT_EQ(sample.target.view(), "1");
  ASSERT_TRUE(*source->next(sample));
  ASSERT_TRUE(sample.problem) << "a row that cannot be made is the sample's own trouble";
  EXPECT_EQ(sample.problem->code, errc::template_failed);
  EXPECT_FALSE(*source->next(sample));
}

TEST_F(lm_eval_tasks, WhatDecidesThePromptsNamesThePreparation) {
  write("numbers.yaml", numbers);
  const auto load = [&] {
    auto loaded = load_all_tasks(folder / "numbers.yaml", folder);
    return std::make_shared<const task_definition>(std::move(loaded.tasks.at(0)));
  };
  preparation_options options;
  options.folder = (folder / "prepared").string();
  const auto key = plan_preparation(load(), options)->key;
  EXPECT_EQ(plan_preparation(load(), options)->key, key);
  auto other = options;
  other.seed = 7;
  EXPECT_NE(plan_preparation(load(), other)->key, key);
  other = options;
  other.limit = 1;
  EXPECT_NE(plan_preparation(load(), other)->key, key);
  write("train.jsonl", R"({"question":"x","answer":"y"})");
  EXPECT_NE(plan_preparation(load(), options)->key, key);
}

TEST_F(lm_eval_tasks, ABrokenPreparationLeavesNothing) {
  write("numbers.yaml", numbers);
  auto loaded = load_all_tasks(folder / "numbers.yaml", folder);
  preparation_options options;
  options.folder = (folder / "prepared").string();
  const auto plan =
      plan_preparation(std::make_shared<const task_definition>(std::move(loaded.tasks.at(0))), options);
  {
    auto steps = begin_preparation(*plan);
    ASSERT_TRUE((*steps)->next().has_value());
    EXPECT_EQ((*steps)->take(R"({"samples":[]})").error().code, errc::malformed_answer);
  }
  EXPECT_TRUE(std::filesystem::is_empty(options.folder));
}

} // namespace
} // namespace assay::tasks
